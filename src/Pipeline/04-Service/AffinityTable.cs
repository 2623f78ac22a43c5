using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.Pipeline;

/// <summary>
/// Which backend a client has at a frontend with session affinity, preallocated. A full table forgets, of a few, the client that has been silent
/// for the longest (Cilium's map is an LRU too). Read and written by ServiceStage; one owner, the worker.
/// </summary>
public sealed class AffinityTable
{
    /// <summary>Entries of which the most silent one gives way.</summary>
    private const int EvictionSample = 8;

    private readonly AffinityEntry[] _entries;
    private readonly FlowIndex _index;
    private readonly ulong _seed;
    private uint _firstFree;
    private uint _generation;
    private int _hand;

    public AffinityTable(int capacity, ulong seed)
    {
        _entries = new AffinityEntry[capacity];
        _index = new FlowIndex(capacity);
        _seed = seed;
        for (int i = capacity - 1; i >= 0; i--)
        {
            _entries[i].BackendId = _firstFree;
            _firstFree = (uint)(i + 1);
        }
    }

    public int Count { get; private set; }

    public int Capacity => _entries.Length;

    /// <summary>Bytes held, all since construction.</summary>
    public long MemoryLength => ((long)_entries.Length * AffinityEntry.Length) + _index.MemoryLength;

    public ref readonly AffinityEntry this[int index] => ref _entries[index];

    /// <summary>
    /// The backend that the client shall get for a new flow, if it was heard of within the frontend's time and the backend still takes new flows.
    /// What no longer holds is forgotten.
    /// </summary>
    public bool TryGetBackend(Frontend frontend, IpAddress client, MonoTime now, out Backend backend)
    {
        backend = default;
        int found = Find(frontend.Id, client);
        if (found < 0)
        {
            return false;
        }

        if (IsOver(_entries[found], frontend, now) || !frontend.Set.TryGet(_entries[found].BackendId, out backend) || !frontend.Set.Takes(backend))
        {
            Remove(found);
            return false;
        }

        return true;
    }

    /// <summary>As <see cref="TryGetBackend"/>, for those who only look.</summary>
    public bool TryPeek(Frontend frontend, IpAddress client, MonoTime now, out Backend backend)
    {
        backend = default;
        int found = Find(frontend.Id, client);
        return found >= 0 && !IsOver(_entries[found], frontend, now) && frontend.Set.TryGet(_entries[found].BackendId, out backend) && frontend.Set.Takes(backend);
    }

    /// <summary>A packet of the client went to the backend.</summary>
    /// <returns>Number of the entry.</returns>
    public int Use(uint frontend, IpAddress client, uint backend, MonoTime now)
    {
        int found = Find(frontend, client);
        if (found < 0)
        {
            found = Add(frontend, client);
        }

        _entries[found].BackendId = backend;
        _entries[found].LastUsed = now;
        return found;
    }

    /// <summary>As <see cref="Use"/>, for the entry that it gave; only while <see cref="IsSame"/>.</summary>
    public void UseAgain(int entry, uint backend, MonoTime now)
    {
        _entries[entry].BackendId = backend;
        _entries[entry].LastUsed = now;
    }

    /// <summary>The entry is still that of the client and frontend that had this generation.</summary>
    public bool IsSame(int entry, uint generation) => _entries[entry].Generation == generation;

    /// <summary>Cilium's words (bpf/lib/lb.h): over when last used plus timeout is not after now.</summary>
    private static bool IsOver(in AffinityEntry entry, Frontend frontend, MonoTime now) =>
        entry.LastUsed.PlusSeconds(frontend.AffinitySeconds).Nanoseconds <= now.Nanoseconds;

    private int Find(uint frontend, IpAddress client)
    {
        ulong hash = HashOf(frontend, client);
        int slot = _index.FirstSlot(hash);
        for (int entry = _index.NextCandidate(hash, ref slot); entry >= 0; entry = _index.NextCandidate(hash, ref slot))
        {
            if (_entries[entry].Frontend == frontend && _entries[entry].Client == client)
            {
                return entry;
            }
        }

        return -1;
    }

    private int Add(uint frontend, IpAddress client)
    {
        if (_firstFree == 0)
        {
            Evict();
        }

        int entry = (int)_firstFree - 1;
        _firstFree = _entries[entry].BackendId;
        _generation = _generation == uint.MaxValue ? 1 : _generation + 1;
        _entries[entry] = new AffinityEntry { Client = client, Frontend = frontend, Generation = _generation };
        _index.Add(HashOf(frontend, client), entry);
        Count++;
        return entry;
    }

    private void Evict()
    {
        int oldest = _hand;
        for (int i = 0; i < EvictionSample; i++)
        {
            if (_entries[_hand].LastUsed.Nanoseconds < _entries[oldest].LastUsed.Nanoseconds)
            {
                oldest = _hand;
            }

            _hand = _hand + 1 == _entries.Length ? 0 : _hand + 1;
        }

        Remove(oldest);
    }

    private void Remove(int entry)
    {
        _index.Remove(HashOf(_entries[entry].Frontend, _entries[entry].Client), entry);
        _entries[entry] = new AffinityEntry { BackendId = _firstFree };
        _firstFree = (uint)(entry + 1);
        Count--;
    }

    private ulong HashOf(uint frontend, IpAddress client) =>
        new FlowKey(client, default, (ushort)(frontend >> 16), (ushort)frontend, IpProtocol.Tcp).Hash(_seed);
}
