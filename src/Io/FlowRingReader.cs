using ClusterMesh.Datapath.Io.Native;
using ClusterMesh.Datapath.Pipeline.Events;

namespace ClusterMesh.Datapath.Io;

/// <summary>Reads one worker's <see cref="FlowRing"/> from wherever it stood when the reader came. Nothing that the reader does reaches the writer.</summary>
internal sealed unsafe class FlowRingReader : IDisposable
{
    private readonly MappedMemory _memory;
    private readonly FlowRecord* _places;
    private readonly ulong _capacity;
    private readonly ulong _lostBefore;
    private ulong _next;
    private ulong _overwritten;

    /// <exception cref="DeviceException">It is no ring, or one of another version.</exception>
    public FlowRingReader(FileDescriptor file)
    {
        if (!SharedFile.IsSealed(file, FlowRing.HeaderLength))
        {
            throw new DeviceException("what the forwarder gave is no ring of flow records; is it of another build?");
        }

        using (var header = MappedMemory.OfReadableFile(file, FlowRing.HeaderLength))
        {
            uint version = *(uint*)(header.Start + FlowRing.VersionOffset);
            uint capacity = *(uint*)(header.Start + FlowRing.CapacityOffset);
            if (*(ulong*)(header.Start + FlowRing.MagicOffset) != FlowRing.Magic || version != FlowRecord.CurrentVersion
                || *(uint*)(header.Start + FlowRing.RecordLengthOffset) != FlowRecord.Length || !uint.IsPow2(capacity)
                || !SharedFile.IsSealed(file, FlowRing.HeaderLength + ((long)capacity * FlowRecord.Length)))
            {
                throw new DeviceException($"the forwarder's flow records are of version {version}, not {FlowRecord.CurrentVersion}: use programs of one build");
            }

            _capacity = capacity;
        }

        _memory = MappedMemory.OfReadableFile(file, FlowRing.HeaderLength + ((long)_capacity * FlowRecord.Length));
        _places = (FlowRecord*)(_memory.Start + FlowRing.HeaderLength);
        _next = Word(FlowRing.WrittenOffset);
        _lostBefore = Word(FlowRing.LostOffset);
    }

    /// <summary>Records that came while the reader was here and that it will never see.</summary>
    public ulong LostCount => _overwritten + Word(FlowRing.LostOffset) - _lostBefore;

    /// <summary>Copies the next records, oldest first; 0 when there are none.</summary>
    public int Read(Span<FlowRecord> destination)
    {
        ulong written = Word(FlowRing.WrittenOffset);
        if (written - _next > _capacity)
        {
            _overwritten += written - _capacity - _next;
            _next = written - _capacity;
        }

        int count = (int)Math.Min((ulong)destination.Length, written - _next);
        int place = (int)(_next & (_capacity - 1));
        int first = Math.Min(count, (int)_capacity - place);
        new ReadOnlySpan<FlowRecord>(_places + place, first).CopyTo(destination);
        new ReadOnlySpan<FlowRecord>(_places, count - first).CopyTo(destination[first..]);

        // What was being written over meanwhile is no record.
        Volatile.ReadBarrier();
        ulong claimed = Word(FlowRing.ClaimedOffset);
        int spoilt = claimed > _next + _capacity ? (int)Math.Min((ulong)count, claimed - _capacity - _next) : 0;
        if (spoilt > 0)
        {
            destination[spoilt..count].CopyTo(destination);
            _overwritten += (ulong)spoilt;
        }

        _next += (ulong)count;
        return count - spoilt;
    }

    public void Dispose() => _memory.Dispose();

    private ulong Word(int offset) => Volatile.Read(ref *(ulong*)(_memory.Start + offset));
}
