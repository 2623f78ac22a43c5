using System.Buffers;
using Tmds.Linux;

namespace ClusterMesh.Datapath.Io.Native;

/// <summary>Memory from the kernel at an address that stays: of a file, or fresh and zeroed. Owned by whoever made it; gone with Dispose.</summary>
internal sealed unsafe class MappedMemory : MemoryManager<byte>
{
    private const int PopulateWrite = 23; // MADV_POPULATE_WRITE, Linux 5.14
    private const int MapNoReserve = 0x4000;
    private readonly int _length;
    private byte* _start;

    private MappedMemory(byte* start, int length)
    {
        _start = start;
        _length = length;
    }

    public byte* Start => _start;

    public static MappedMemory OfFile(FileDescriptor file, ulong offset, long length) =>
        Map(length, LibC.MAP_SHARED | LibC.MAP_POPULATE, file.Number, (long)offset);

    /// <summary>Addresses without memory behind them, which comes with the first touch or with <see cref="Populate"/>.</summary>
    public static MappedMemory Reserve(long length) => Map(length, LibC.MAP_PRIVATE | LibC.MAP_ANONYMOUS | MapNoReserve, -1, 0);

    /// <summary>Has the memory there before it is used, and keeps it there where the limit on locked memory allows.</summary>
    public void Populate(int offset, int length)
    {
        long page = offset & ~4095L;
        long end = (offset + length + 4095L) & ~4095L;
        if (LibC.madvise(_start + page, (size_t)(ulong)(end - page), PopulateWrite) != 0)
        {
            GetSpan().Slice(offset, length).Clear(); // An older kernel: touching does it too.
        }

        _ = LibC.mlock(_start + page, (size_t)(ulong)(end - page));
    }

    public override Span<byte> GetSpan() => new(_start, _length);

    public override MemoryHandle Pin(int elementIndex = 0) => new(_start + elementIndex);

    public override void Unpin()
    {
    }

    public void Dispose() => Dispose(true);

    protected override void Dispose(bool disposing)
    {
        if (_start != null)
        {
            _ = LibC.munmap(_start, (size_t)(ulong)_length);
            _start = null;
        }
    }

    private static MappedMemory Map(long length, int flags, int file, long offset)
    {
        void* start = LibC.mmap(null, (size_t)(ulong)length, LibC.PROT_READ | LibC.PROT_WRITE, flags, file, offset);
        return start == LibC.MAP_FAILED
            ? throw new DeviceException($"mmap of {length} bytes: {new KernelError(LibC.errno)}")
            : new MappedMemory((byte*)start, checked((int)length));
    }
}
