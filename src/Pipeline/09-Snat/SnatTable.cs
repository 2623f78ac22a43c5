using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.Pipeline;

/// <summary>
/// Masqueraded flows by both of their faces, preallocated. Ports are chosen as Cilium does (bpf/lib/nat.h): the client's own if it
/// is in the range, else one at random; then a walk upwards. A mapping lives as long as its conntrack entry. One owner: the worker.
/// </summary>
public sealed class SnatTable
{
    /// <summary>Ports tried for a new flow before it is refused.</summary>
    private const int MaxTries = 32;

    private readonly SnatEntry[] _entries;
    private readonly FlowIndex _forward;
    private readonly FlowIndex _reverse;
    private readonly ulong _seed;
    private readonly FlowHomes? _homes;
    private readonly int _worker;
    private uint _firstFree;
    private int _sweepPosition;

    /// <param name="homes">Null where there is one worker, which gives away every port.</param>
    /// <param name="worker">Whose table this is: only its own ports are given away.</param>
    public SnatTable(int capacity, ulong seed, FlowHomes? homes = null, int worker = 0)
    {
        _homes = homes;
        _worker = worker;
        _entries = new SnatEntry[capacity];
        _forward = new FlowIndex(capacity);
        _reverse = new FlowIndex(capacity);
        _seed = seed;
        for (int i = capacity - 1; i >= 0; i--)
        {
            _entries[i].Created = _firstFree;
            _firstFree = (uint)(i + 1);
        }
    }

    public int Count { get; private set; }

    /// <summary>Mappings that went by <see cref="Remove"/>. Those that are swept go after their flow, and are not counted.</summary>
    public uint RemovalCount { get; private set; }

    public int Capacity => _entries.Length;

    /// <summary>Bytes held, all since construction.</summary>
    public long MemoryLength => ((long)_entries.Length * SnatEntry.Length) + _forward.MemoryLength + _reverse.MemoryLength;

    public ref readonly SnatEntry this[int index] => ref _entries[index];

    /// <summary>The mapping of a flow as the client sends it, or -1.</summary>
    public int FindForward(in FlowKey key)
    {
        ulong hash = key.Hash(_seed);
        int slot = _forward.FirstSlot(hash);
        for (int entry = _forward.NextCandidate(hash, ref slot); entry >= 0; entry = _forward.NextCandidate(hash, ref slot))
        {
            if (_entries[entry].Forward == key)
            {
                return entry;
            }
        }

        return -1;
    }

    /// <summary>The mapping whose answers have this key, or -1.</summary>
    public int FindReverse(in FlowKey answer) => FindTranslated(answer.Reversed);

    /// <summary>Whether the mapping's flow is alive. One that is over keeps its mapping until it is swept, which must not open the pod to the world meanwhile.</summary>
    public bool IsAlive(int index, ConntrackTable conntrack, MonoTime now)
    {
        int flow = conntrack.Find(ConntrackTable.Ordered(_entries[index].Forward, out _), now);
        return flow >= 0 && (conntrack[flow].Flags & ConntrackFlags.Snat) != 0;
    }

    /// <summary>Maps a flow that has no mapping yet.</summary>
    /// <param name="first">First and <paramref name="last"/> port of the range; ICMP ids have none.</param>
    /// <returns>The mapping, or -1 when all tried ports are taken or the table is full.</returns>
    public int Create(in FlowKey forward, IpAddress natAddress, ushort first, ushort last, FlowRandom random, MonoTime now)
    {
        if (_firstFree == 0)
        {
            return -1;
        }

        bool isIcmp = forward.Protocol is IpProtocol.Icmp or IpProtocol.Icmpv6;
        uint low = isIcmp ? 0u : first;
        uint rangeLength = (isIcmp ? ushort.MaxValue : last) - low + 1;
        uint port = isIcmp ? (uint)(forward.SourcePort | forward.DestinationPort) : forward.SourcePort;
        if (port < low || port > low + rangeLength - 1 || !IsOwn(port))
        {
            port = Draw(random, low, rangeLength);
        }

        for (int attempt = 0; attempt < MaxTries && IsOwn(port); attempt++)
        {
            var candidate = new SnatEntry { Forward = forward, NatAddress = natAddress, NatPort = (ushort)port, Created = now.Seconds, IsUsed = 1 };
            if (FindTranslated(candidate.Translated) < 0)
            {
                return Insert(candidate);
            }

            // The first collision throws the dice again, the following ones walk on.
            port = attempt == 0 ? Draw(random, low, rangeLength) : NextOwn(port + 1, low, rangeLength);
        }

        return -1;
    }

    /// <summary>Takes a mapping away while its flow may live on.</summary>
    public void Remove(int index)
    {
        RemovalCount++;
        Free(index);
    }

    /// <summary>Removes, among the next <paramref name="entryCount"/> entries, the mappings whose flow is over.</summary>
    public int Sweep(int entryCount, ConntrackTable conntrack, MonoTime now)
    {
        int removed = 0;
        for (int i = 0; i < entryCount; i++)
        {
            if (_entries[_sweepPosition].IsUsed != 0 && !IsAlive(_sweepPosition, conntrack, now))
            {
                Free(_sweepPosition);
                removed++;
            }

            if (++_sweepPosition == _entries.Length)
            {
                _sweepPosition = 0;
            }
        }

        return removed;
    }

    private bool IsOwn(uint port) => _homes is null || _homes.OfPort((ushort)port) == _worker;

    private uint Draw(FlowRandom random, uint low, uint rangeLength) => NextOwn(low + random.Below(rangeLength), low, rangeLength);

    /// <summary>The next port of the range that this worker may give away, from a port on and round; another's where it has none in so short a range.</summary>
    private uint NextOwn(uint port, uint low, uint rangeLength)
    {
        port = port == low + rangeLength ? low : port;
        for (uint i = 0; i < rangeLength && !IsOwn(port); i++)
        {
            port = port == low + rangeLength - 1 ? low : port + 1;
        }

        return port;
    }

    private void Free(int index)
    {
        SnatEntry entry = _entries[index];
        _forward.Remove(entry.Forward.Hash(_seed), index);
        _reverse.Remove(entry.Translated.Hash(_seed), index);
        _entries[index] = new SnatEntry { Created = _firstFree };
        _firstFree = (uint)(index + 1);
        Count--;
    }

    private int FindTranslated(in FlowKey translated)
    {
        ulong hash = translated.Hash(_seed);
        int slot = _reverse.FirstSlot(hash);
        for (int entry = _reverse.NextCandidate(hash, ref slot); entry >= 0; entry = _reverse.NextCandidate(hash, ref slot))
        {
            if (_entries[entry].Translated == translated)
            {
                return entry;
            }
        }

        return -1;
    }

    private int Insert(in SnatEntry entry)
    {
        int index = (int)_firstFree - 1;
        _firstFree = _entries[index].Created;
        _entries[index] = entry;
        _forward.Add(entry.Forward.Hash(_seed), index);
        _reverse.Add(entry.Translated.Hash(_seed), index);
        Count++;
        return index;
    }
}
