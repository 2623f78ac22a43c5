using System.Runtime.CompilerServices;

namespace ClusterMesh.Datapath.Observe.Store;

/// <summary>One reader of a store: finds where its query begins, reads on from there at its own speed, and says what it has missed.</summary>
public sealed class FlowReader
{
    private const int BatchLength = 256;

    private readonly FlowStore _store;
    private readonly FlowQuery _query;
    private readonly ObservedFlow _flow;
    private readonly FlowSlot[] _batch = new FlowSlot[BatchLength];

    public FlowReader(FlowStore store, ObserverNode node, FlowQuery query)
    {
        ArgumentNullException.ThrowIfNull(store);
        ArgumentNullException.ThrowIfNull(query);
        _store = store;
        _query = query;
        _flow = new(node, store.Instance);
    }

    public async IAsyncEnumerable<FlowReading> ReadAsync([EnumeratorCancellation] CancellationToken cancellation)
    {
        // Without following, what comes after the question is not part of the answer.
        ulong end = _query.Follow ? ulong.MaxValue : _store.Next;
        ulong limit = _query.Number > 0 && !_query.Follow ? _query.Number : ulong.MaxValue;
        ulong sequence = FindStart();
        ulong found = 0;
        while (sequence < end && found < limit)
        {
            ulong wanted = sequence;
            int count = _store.Read(ref sequence, _batch);
            if (sequence > wanted)
            {
                yield return new(null, sequence - wanted, true, 0);
            }

            if (count == 0)
            {
                await _store.WaitAsync(sequence, cancellation).ConfigureAwait(false);
                continue;
            }

            for (int i = 0; i < count && sequence < end && found < limit; i++, sequence++)
            {
                FlowSlot slot = _batch[i];
                long time = slot.Record.Time;
                if (time > _query.Until && _query.Follow)
                {
                    yield break;
                }

                if (slot.IsNotice && IsInTime(time))
                {
                    yield return new(null, slot.LostCount, false, time);
                }
                else if (Matches(slot, sequence))
                {
                    found++;
                    yield return new(_flow, 0, false, time);
                }
            }

            cancellation.ThrowIfCancellationRequested();
        }
    }

    private ulong FindStart()
    {
        if (_query.First || (_query.Number == 0 && (!_query.Follow || _query.Since is not null)))
        {
            return _store.Oldest;
        }

        ulong start = _store.Next;
        return _query.Number == 0 ? start : FindBackwards(start);
    }

    // Back from the newest until the number is full. What is written meanwhile takes from the other end only.
    private ulong FindBackwards(ulong end)
    {
        ulong missing = _query.Number;
        while (true)
        {
            ulong oldest = _store.Oldest;
            ulong first = end > BatchLength ? Math.Max(end - BatchLength, oldest) : oldest;
            if (first >= end)
            {
                return end;
            }

            ulong read = first;
            int count = Math.Min(_store.Read(ref read, _batch), (int)(end - first));
            if (read > first)
            {
                return read;
            }

            for (int i = count - 1; i >= 0; i--)
            {
                if (!_batch[i].IsNotice && Matches(_batch[i], first + (ulong)i) && --missing == 0)
                {
                    return first + (ulong)i;
                }
            }

            end = first;
        }
    }

    private bool Matches(in FlowSlot slot, ulong sequence)
    {
        if (slot.IsNotice || !IsInTime(slot.Record.Time))
        {
            return false;
        }

        _flow.Load(slot, sequence);
        return _query.Matches(_flow);
    }

    private bool IsInTime(long time) => !(time < _query.Since) && !(time > _query.Until);
}
