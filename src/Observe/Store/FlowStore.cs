using ClusterMesh.Datapath.Observe.Names;
using ClusterMesh.Datapath.Pipeline.Events;

namespace ClusterMesh.Datapath.Observe.Store;

/// <summary>
/// The last flow events of a node, in a ring of fixed size; each has a sequence number that only grows. One thread puts in what the
/// forwarder hands on, any number read. Who reads too slowly loses the oldest and is told how many: nothing here waits for a reader.
/// </summary>
public sealed class FlowStore
{
    public const int DefaultCapacity = 65_536;

    private readonly Lock _lock = new();
    private readonly TimeProvider _clock;
    private readonly long _startTimestamp;
    private readonly FlowSlot[] _slots; // guarded by _lock, as is all below
    private readonly FlowRate _rate;
    private readonly FlowCounters _counters = new();
    private ulong _next;
    private ulong _noticesInRing;
    private ulong _seen;
    private ulong _lost;
    private ulong _refused;
    private TaskCompletionSource? _more; // there while somebody waits
    private NameTable _names = NameTable.Empty; // published with one write

    public FlowStore(int capacity = DefaultCapacity, TimeProvider? clock = null)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(capacity, 1);
        _clock = clock ?? TimeProvider.System;
        _slots = new FlowSlot[capacity];
        _slots.AsSpan().Clear(); // Brings the memory in now: a node's agent is as large on its first day as on its tenth.
        _startTimestamp = _clock.GetTimestamp();
        _rate = new(Second);
        Guid instance = Guid.NewGuid();
        Span<byte> bytes = stackalloc byte[16];
        instance.TryWriteBytes(bytes);
        Instance = BitConverter.ToUInt64(bytes);
    }

    /// <summary>What later events are named by.</summary>
    public NameTable Names
    {
        get => Volatile.Read(ref _names);
        set => Volatile.Write(ref _names, value);
    }

    public int Capacity => _slots.Length;

    /// <summary>Drawn at the start: with a sequence number it names an event for ever.</summary>
    public ulong Instance { get; }

    /// <summary>The sequence number that the next event gets.</summary>
    public ulong Next
    {
        get
        {
            lock (_lock)
            {
                return _next;
            }
        }
    }

    /// <summary>The oldest sequence number that can still be read; <see cref="Next"/> when there is none.</summary>
    public ulong Oldest
    {
        get
        {
            lock (_lock)
            {
                return OldestNow;
            }
        }
    }

    public FlowStoreStatus Status
    {
        get
        {
            lock (_lock)
            {
                return new(_next - OldestNow - _noticesInRing, (ulong)_slots.Length, _seen, _lost, _refused, _clock.GetElapsedTime(_startTimestamp), _rate.At(Second));
            }
        }
    }

    /// <summary>A copy of what was counted until now.</summary>
    public FlowCounters Counters
    {
        get
        {
            lock (_lock)
            {
                return _counters.Copy();
            }
        }
    }

    private ulong OldestNow => _next > (ulong)_slots.Length ? _next - (ulong)_slots.Length : 0;

    private long Second => _clock.GetUtcNow().ToUnixTimeSeconds();

    /// <summary>Takes events in their order. Those of an unknown version are counted and skipped.</summary>
    public void Add(ReadOnlySpan<FlowRecord> records)
    {
        if (records.IsEmpty)
        {
            return;
        }

        NameTable names = Names;
        TaskCompletionSource? told;
        lock (_lock)
        {
            ulong before = _seen;
            foreach (ref readonly FlowRecord record in records)
            {
                if (record.Version != FlowRecord.CurrentVersion)
                {
                    _refused++;
                    continue;
                }

                Put(new(record, names, 0));
                _counters.Add(record);
                _seen++;
            }

            _rate.Add(Second, _seen - before);
            told = Told();
        }

        told?.SetResult();
    }

    /// <summary>Records that <paramref name="count"/> events were lost on the way from the forwarder; readers are told at this place.</summary>
    /// <param name="time">Nanoseconds since 1970-01-01 UTC at which the loss was noticed.</param>
    public void AddLost(ulong count, long time)
    {
        if (count == 0)
        {
            return;
        }

        TaskCompletionSource? told;
        lock (_lock)
        {
            Put(new(new FlowRecord { Time = time }, NameTable.Empty, count));
            _lost += count;
            told = Told();
        }

        told?.SetResult();
    }

    /// <summary>Copies events from <paramref name="sequence"/> on; moves it up to the oldest when that one is gone.</summary>
    /// <returns>How many were copied; 0 when there is nothing newer.</returns>
    public int Read(ref ulong sequence, Span<FlowSlot> destination)
    {
        lock (_lock)
        {
            sequence = Math.Max(sequence, OldestNow);
            int count = (int)Math.Min((ulong)destination.Length, _next - Math.Min(sequence, _next));
            for (int i = 0; i < count; i++)
            {
                destination[i] = _slots[(int)((sequence + (ulong)i) % (ulong)_slots.Length)];
            }

            return count;
        }
    }

    /// <summary>Ends once there is an event with this sequence number or a later one.</summary>
    public async Task WaitAsync(ulong sequence, CancellationToken cancellation)
    {
        while (true)
        {
            Task more;
            lock (_lock)
            {
                if (_next > sequence)
                {
                    return;
                }

                more = (_more ??= new(TaskCreationOptions.RunContinuationsAsynchronously)).Task;
            }

            await more.WaitAsync(cancellation).ConfigureAwait(false);
        }
    }

    private void Put(in FlowSlot slot)
    {
        ref FlowSlot place = ref _slots[(int)(_next % (ulong)_slots.Length)];
        _noticesInRing -= place.IsNotice ? 1u : 0u;
        _noticesInRing += slot.IsNotice ? 1u : 0u;
        place = slot;
        _next++;
    }

    private TaskCompletionSource? Told()
    {
        TaskCompletionSource? told = _more;
        _more = null;
        return told;
    }
}
