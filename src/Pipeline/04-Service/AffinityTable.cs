using System.Numerics;
using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.Pipeline;

/// <summary>
/// Which backend a client has at a frontend with session affinity, preallocated: sets of eight places, by the hash of both. In a full set the client
/// that has been silent for the longest is forgotten (Cilium's map is an LRU too). Read and written by ServiceStage. One worker's: where there
/// are several, all flows of a client to such a frontend are the same worker's (docs/workers.md).
/// </summary>
public sealed class AffinityTable
{
    private const int SetLength = 8;

    /// <summary>Places are twice the capacity, so that few sets are full before the table is.</summary>
    private const int PlacesPerEntry = 2;

    private readonly TableRows<AffinityEntry> _entries;
    private readonly ulong _seed;
    private readonly int _shift;
    private uint _generation;

    /// <param name="capacity">Clients that fit, more or less.</param>
    /// <param name="rows">Memory that another process may have left; null for memory of our own.</param>
    public AffinityTable(int capacity, ulong seed, TableRows<AffinityEntry>? rows = null)
    {
        int placeCount = PlacesFor(capacity);
        _entries = rows ?? new ArrayRows<AffinityEntry>(placeCount);
        _seed = seed;
        _shift = 64 - BitOperations.Log2((uint)placeCount / SetLength);
    }

    /// <summary>Clients that are kept in mind now; walks the table.</summary>
    public int Count
    {
        get
        {
            int count = 0;
            for (int i = 0; i < _entries.Length; i++)
            {
                count += _entries[i].Frontend != 0 ? 1 : 0;
            }

            return count;
        }
    }

    /// <summary>Places of the table.</summary>
    public int Capacity => _entries.Length;

    /// <summary>Bytes held, all since construction.</summary>
    public long MemoryLength => (long)_entries.Length * AffinityEntry.Length;

    /// <summary>Places of a table in which so many clients fit.</summary>
    public static int PlacesFor(int capacity) => checked((int)Math.Max(
        2, BitOperations.RoundUpToPowerOf2((uint)((((long)capacity * PlacesPerEntry) + SetLength - 1) / SetLength))) * SetLength);

    public ref readonly AffinityEntry this[int index] => ref _entries[index];

    /// <summary>
    /// The backend that the client shall get for a new flow, if it was heard of within the frontend's time and the backend still takes new flows.
    /// What no longer holds is forgotten.
    /// </summary>
    public bool TryGetBackend(Frontend frontend, IpAddress client, MonoTime now, out Backend backend)
    {
        int set = SetOf(frontend.Id, client);
        int found = Find(set, frontend.Id, client);
        bool holds = Holds(found, frontend, now, out backend);
        if (found >= 0 && !holds)
        {
            _entries[found] = default;
        }

        return holds;
    }

    /// <summary>As <see cref="TryGetBackend"/>, for those who only look.</summary>
    public bool TryPeek(Frontend frontend, IpAddress client, MonoTime now, out Backend backend) =>
        Holds(Find(SetOf(frontend.Id, client), frontend.Id, client), frontend, now, out backend);

    /// <summary>Number of the client's entry at a frontend, over or not, or -1.</summary>
    public int IndexOf(uint frontend, IpAddress client) => Find(SetOf(frontend, client), frontend, client);

    /// <summary>A packet of the client went to the backend.</summary>
    /// <param name="generation">Of the entry; see <see cref="TryUseAgain"/>.</param>
    /// <returns>Number of the entry.</returns>
    public int Use(uint frontend, IpAddress client, uint backend, MonoTime now, out uint generation)
    {
        int set = SetOf(frontend, client);
        int found = Find(set, frontend, client);
        if (found < 0)
        {
            found = MostSilent(set);
            _entries.BeginWrite(found);
            _entries[found] = new AffinityEntry { Client = client, Frontend = frontend, Generation = NextGeneration(), BackendId = backend, LastUsed = now };
            _entries.EndWrite();
        }

        _entries[found].BackendId = backend;
        _entries[found].LastUsed = now;
        generation = _entries[found].Generation;
        return found;
    }

    /// <summary>As <see cref="Use"/>, for an entry that it gave. False, and nothing happens, when the entry is another client's now or nobody's.</summary>
    public bool TryUseAgain(int entry, uint generation, uint backend, MonoTime now)
    {
        bool isSame = _entries[entry].Generation == generation;
        if (isSame)
        {
            _entries[entry].BackendId = backend;
            _entries[entry].LastUsed = now;
        }

        return isSame;
    }

    /// <summary>Takes up what another process left.</summary>
    internal void Restore(FlowRecovery recovery)
    {
        int interrupted = _entries.TakeInterrupted();
        for (int i = 0; i < _entries.Length; i++)
        {
            AffinityEntry entry = _entries[i];
            _generation = Math.Max(_generation, entry.Generation);
            if (entry != default && !recovery.Note(i == interrupted || SetOf(entry.Frontend, entry.Client) != i / SetLength ? FlowFate.Broken : recovery.Judge(entry)))
            {
                _entries[i] = default;
            }
        }
    }

    /// <summary>Takes in an entry of another table, in the place of whoever has been silent for longer; false when nobody has.</summary>
    internal bool TryAdopt(in AffinityEntry entry)
    {
        int set = SetOf(entry.Frontend, entry.Client);
        int place = Find(set, entry.Frontend, entry.Client);
        place = place < 0 ? MostSilent(set) : place;
        bool isNewer = _entries[place].Frontend == 0 || _entries[place].LastUsed.Nanoseconds < entry.LastUsed.Nanoseconds;
        if (isNewer)
        {
            _entries[place] = entry with { Generation = NextGeneration() };
        }

        return isNewer;
    }

    private bool Holds(int found, Frontend frontend, MonoTime now, out Backend backend)
    {
        backend = default;
        return found >= 0 && !IsOver(_entries[found], frontend, now) && frontend.Set.TryGet(_entries[found].BackendId, out backend) && frontend.Set.Takes(backend);
    }

    /// <summary>Cilium's words (bpf/lib/lb.h): over when last used plus timeout is not after now.</summary>
    private static bool IsOver(in AffinityEntry entry, Frontend frontend, MonoTime now) =>
        entry.LastUsed.PlusSeconds(frontend.AffinitySeconds).Nanoseconds <= now.Nanoseconds;

    private int Find(int set, uint frontend, IpAddress client)
    {
        for (int i = set * SetLength; i < (set + 1) * SetLength; i++)
        {
            if (_entries[i].Frontend == frontend && _entries[i].Client == client)
            {
                return i;
            }
        }

        return -1;
    }

    /// <summary>A free place, which has never been used or was forgotten, else the one to give way.</summary>
    private int MostSilent(int set)
    {
        int most = set * SetLength;
        for (int i = most; i < (set + 1) * SetLength && _entries[most].Frontend != 0; i++)
        {
            if (_entries[i].Frontend == 0 || _entries[i].LastUsed.Nanoseconds < _entries[most].LastUsed.Nanoseconds)
            {
                most = i;
            }
        }

        return most;
    }

    /// <summary>Never 0, which is that of a free place.</summary>
    private uint NextGeneration()
    {
        _generation++;
        _generation += _generation == 0 ? 1u : 0;
        return _generation;
    }

    private int SetOf(uint frontend, IpAddress client) =>
        (int)(new FlowKey(client, default, (ushort)(frontend >> 16), (ushort)frontend, IpProtocol.Tcp).Hash(_seed) >> _shift);
}
