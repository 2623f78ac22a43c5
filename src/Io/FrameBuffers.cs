using ClusterMesh.Datapath.Io.Native;
using ClusterMesh.Datapath.Pipeline;
using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.Io;

/// <summary>
/// The buffers of one worker's frames, in memory that is there before it is used and that other forwarders of the machine can map. The buffer
/// given back last is taken next, since its lines are still in the cache. Behind its own the numbers go on with those of forwarders it is
/// linked to, then those of the workers beside this one. Owned by the worker's thread.
/// </summary>
internal sealed unsafe class FrameBuffers : FrameMemory, IDisposable
{
    /// <summary>Most buffers there can be: frames on their way, and one for each port to be filled.</summary>
    public const int MostCount = OnTheirWay + MemoryLink.MaxLentCount + Port.MaxCount;

    /// <summary>Forwarders whose buffers can be mapped behind our own.</summary>
    public const int MaxLinkCount = 15;

    /// <summary>Where in a buffer a short virtio header stands, with the frame behind the headroom.</summary>
    public const int ReceiveOffset = PacketContext.Headroom - VirtioNetHeader.Length;

    /// <summary>Bytes from one buffer to the next: whole cache lines, and no power of two, which would crowd all frames into few sets of the cache.</summary>
    public const int Stride = (PacketContext.BufferLength + 63) / 64 * 64;

    /// <summary>Bytes of all buffers of one forwarder, in whole pages.</summary>
    public const long ArenaLength = (((long)MostCount * Stride) + 4095) / 4096 * 4096;

    private const int OnTheirWay = 256;

    private readonly MappedMemory _memory;
    private readonly int[] _free = new int[MostCount];
    private int _usableCount;

    /// <summary>Takes the addresses for all and memory for those on their way; ports and links bring more.</summary>
    public FrameBuffers()
    {
        File = SharedFile.Create("cmesh-frames", ArenaLength);
        _memory = MappedMemory.Reserve(ArenaLength * (MaxLinkCount + 1 + FlowHomes.MaxWorkerCount));
        _memory.Place(File, 0, ArenaLength);
        Grow(OnTheirWay);
    }

    /// <summary>The memory, for forwarders that are linked to this one.</summary>
    public FileDescriptor File { get; }

    public int FreeCount { get; private set; }

    /// <summary>Makes more buffers usable, up to the most.</summary>
    public void Grow(int count)
    {
        count = Math.Min(count, _free.Length - _usableCount);
        if (count > 0)
        {
            _memory.Populate((long)_usableCount * Stride, (long)count * Stride);
        }

        for (int i = 0; i < count; i++)
        {
            Return(_usableCount++);
        }
    }

    /// <summary>A free buffer's number; there must be one.</summary>
    public int Take() => _free[--FreeCount];

    /// <param name="buffer">One of our own.</param>
    public void Return(int buffer) => _free[FreeCount++] = buffer;

    /// <summary>Maps another forwarder's or worker's buffers, whose numbers are then the link's times <see cref="MostCount"/> and on.</summary>
    /// <param name="link">From 1.</param>
    public void Map(int link, FileDescriptor file) => _memory.Place(file, link * ArenaLength, ArenaLength);

    public void Unmap(int link) => _memory.Clear(link * ArenaLength, ArenaLength);

    public override Span<byte> BufferOf(int number) => new(AddressOf(number), PacketContext.BufferLength);

    /// <summary>Where a buffer begins, for the kernel.</summary>
    public byte* AddressOf(int number)
    {
        int link = number / MostCount;
        return _memory.Start + (link * ArenaLength) + ((number - (link * MostCount)) * (long)Stride);
    }

    public void Dispose()
    {
        _memory.Dispose();
        File.Dispose();
    }
}
