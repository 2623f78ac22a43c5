using ClusterMesh.Datapath.Io.Native;
using ClusterMesh.Datapath.Pipeline.Events;

namespace ClusterMesh.Datapath.Io;

/// <summary>
/// Flow records of one worker for any number of readers in other processes: shared memory that the worker writes round and round, never looking
/// at who reads. A page of figures, then the places. docs/observe.md has the layout. Owned by the server; written by the worker.
/// </summary>
internal sealed unsafe class FlowRing : IDisposable
{
    /// <summary>Records in the ring, a power of two: 64 ms at a million a second.</summary>
    public const int Capacity = 65_536;

    internal const ulong Magic = 0x636D_6573_6866_6C77; // cmeshflw
    internal const int HeaderLength = 4096;
    internal const int MagicOffset = 0;
    internal const int VersionOffset = 8;
    internal const int RecordLengthOffset = 12;
    internal const int CapacityOffset = 16;
    internal const int WorkerOffset = 20;

    /// <summary>Places up to this number are being written or were.</summary>
    internal const int ClaimedOffset = 128;

    /// <summary>Records up to this number are there. A line of the cache of its own, as the others.</summary>
    internal const int WrittenOffset = 256;

    /// <summary>Records that the worker had no room for before they came here.</summary>
    internal const int LostOffset = 384;

    internal const long Length = HeaderLength + ((long)Capacity * FlowRecord.Length);

    private readonly MappedMemory _memory;
    private readonly FlowRecord* _places;
    private ulong _written;

    public FlowRing(int worker)
    {
        File = SharedFile.Create($"cmesh-flows-{worker}", Length);
        _memory = MappedMemory.OfFile(File, 0, Length);
        _places = (FlowRecord*)(_memory.Start + HeaderLength);
        *(uint*)(_memory.Start + VersionOffset) = FlowRecord.CurrentVersion;
        *(uint*)(_memory.Start + RecordLengthOffset) = FlowRecord.Length;
        *(uint*)(_memory.Start + CapacityOffset) = Capacity;
        *(uint*)(_memory.Start + WorkerOffset) = (uint)worker;
        Volatile.Write(ref Word(MagicOffset), Magic);
    }

    public FileDescriptor File { get; }

    /// <summary>Records written since it was made.</summary>
    public ulong WrittenCount => Volatile.Read(ref Word(WrittenOffset));

    /// <summary>Records that found no room in the worker.</summary>
    public ulong LostCount => Volatile.Read(ref Word(LostOffset));

    /// <summary>Writes records over the oldest. A reader that copies one of those meanwhile sees from the claim that its copy is worth nothing.</summary>
    /// <param name="lostCount">All that the worker has lost until now.</param>
    public void Append(ReadOnlySpan<FlowRecord> records, ulong lostCount)
    {
        Volatile.Write(ref Word(ClaimedOffset), _written + (ulong)records.Length);
        Volatile.WriteBarrier();
        int place = (int)(_written & (Capacity - 1));
        int first = Math.Min(records.Length, Capacity - place);
        records[..first].CopyTo(Places(place));
        records[first..].CopyTo(Places(0));
        _written += (ulong)records.Length;
        Volatile.Write(ref Word(WrittenOffset), _written);
        Volatile.Write(ref Word(LostOffset), lostCount);
    }

    /// <summary>Only once the worker writes no more.</summary>
    public void Dispose()
    {
        _memory.Dispose();
        File.Dispose();
    }

    /// <summary>From one place to the end.</summary>
    private Span<FlowRecord> Places(int first) => new(_places + first, Capacity - first);

    private ref ulong Word(int offset) => ref *(ulong*)(_memory.Start + offset);
}
