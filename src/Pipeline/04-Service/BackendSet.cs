using System.Numerics;

namespace ClusterMesh.Datapath.Pipeline;

/// <summary>
/// The backends behind a frontend: all of them, for flows that have one, and those that a new flow can get. Immutable; frontends of one
/// service share it.
/// </summary>
public sealed class BackendSet
{
    /// <summary>Up to here a walk is no slower than an index.</summary>
    private const int LongestWalk = 8;

    /// <summary>2^32 divided by the golden ratio (Knuth 6.4): ids that follow each other spread.</summary>
    private const uint Spread = 0x9E37_79B9;

    private readonly Backend[] _backends;
    private readonly Backend[] _candidates;
    private readonly int[] _index;
    private readonly int _shift;

    /// <param name="backends">In slot order. The set keeps the array.</param>
    /// <param name="candidates">Those that new flows get, in slot order; the same array when it is a beginning of it.</param>
    /// <param name="maglev">Says which candidate a flow gets; chance does where it is null.</param>
    public BackendSet(Backend[] backends, Backend[] candidates, int candidateCount, MaglevTable? maglev = null)
    {
        _backends = backends;
        _candidates = candidates;
        CandidateCount = candidateCount;
        Maglev = maglev;
        _index = [];
        if (backends.Length <= LongestWalk)
        {
            return;
        }

        uint length = BitOperations.RoundUpToPowerOf2((uint)backends.Length * 2);
        _index = new int[length];
        _shift = 32 - BitOperations.Log2(length);
        for (int i = 0; i < backends.Length; i++)
        {
            int slot = Home(backends[i].Id);
            while (_index[slot] != 0)
            {
                slot = (slot + 1) & (_index.Length - 1);
            }

            _index[slot] = i + 1;
        }
    }

    public static BackendSet Empty { get; } = new([], [], 0);

    /// <summary>All, in slot order; those in maintenance last, since they have no slot.</summary>
    public Backend[] Backends => _backends;

    /// <summary>How many backends a new flow can get.</summary>
    public int CandidateCount { get; }

    public MaglevTable? Maglev { get; }

    /// <param name="number">Below <see cref="CandidateCount"/>.</param>
    public Backend Candidate(int number) => _candidates[number];

    /// <summary>The backend of an id if it still belongs to the service.</summary>
    public bool TryGet(uint id, out Backend backend)
    {
        int i = _index.Length == 0 ? Walk(id) : Search(id);
        backend = i < 0 ? default : _backends[i];
        return i >= 0;
    }

    /// <summary>New flows may go there: it is active, or no backend is and it serves on.</summary>
    public bool Takes(in Backend backend) =>
        backend.State == BackendState.Active || (CandidateCount > 0 && backend.State == _candidates[0].State);

    private int Walk(uint id)
    {
        for (int i = 0; i < _backends.Length; i++)
        {
            if (_backends[i].Id == id)
            {
                return i;
            }
        }

        return -1;
    }

    private int Search(uint id)
    {
        for (int slot = Home(id); _index[slot] != 0; slot = (slot + 1) & (_index.Length - 1))
        {
            int i = _index[slot] - 1;
            if (_backends[i].Id == id)
            {
                return i;
            }
        }

        return -1;
    }

    private int Home(uint id) => (int)((id * Spread) >> _shift);
}
