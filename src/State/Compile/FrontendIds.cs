using ClusterMesh.Datapath.Pipeline;
using ClusterMesh.Datapath.State.Desired;

namespace ClusterMesh.Datapath.State.Compile;

/// <summary>
/// Numbers of frontends and who has them. A frontend keeps its number as long as it is there, even if it moves to another service; a number is
/// never that of two, see <see cref="ServiceTable"/>.
/// </summary>
internal sealed class FrontendIds
{
    private const uint SlotMask = (1u << ServiceTable.SlotBits) - 1;
    private const uint LastGeneration = (1u << (32 - ServiceTable.SlotBits)) - 1;

    private readonly Dictionary<FrontendKey, (uint Id, string Owner)> _known = [];
    private readonly Dictionary<FrontendKey, uint> _freed = [];
    private readonly List<uint> _generations = [0];
    private readonly Stack<int> _freeSlots = new();
    private readonly Dictionary<FrontendKey, uint> _kept;

    /// <param name="kept">Numbers that frontends had in the process before this one, for when they come again.</param>
    public FrontendIds(IReadOnlyDictionary<FrontendKey, uint> kept)
    {
        _kept = new Dictionary<FrontendKey, uint>(kept);
        foreach (uint id in kept.Values)
        {
            int slot = (int)(id & SlotMask);
            while (_generations.Count <= slot)
            {
                _generations.Add(0);
            }

            _generations[slot] = id >> ServiceTable.SlotBits;
        }
    }

    /// <summary>All that are given, and those kept for frontends that have not come again.</summary>
    public IEnumerable<KeyValuePair<FrontendKey, uint>> Given => _known.Select(k => KeyValuePair.Create(k.Key, k.Value.Id)).Concat(_kept);

    /// <summary>All that are given, inner sides included.</summary>
    public int Count => _known.Count;

    /// <summary>Those that went in this change and did not come again.</summary>
    public IEnumerable<FrontendKey> Freed => _freed.Keys;

    /// <summary>So many more are about to be taken, at least.</summary>
    public void Reserve(int count) => Room.For(_known, count);

    /// <summary>The service that has a frontend; null for none.</summary>
    public string? OwnerOf(FrontendKey key) => _known.TryGetValue(key, out (uint Id, string Owner) found) ? found.Owner : null;

    /// <summary>The frontend goes, unless it comes again before <see cref="EndChange"/>.</summary>
    public void Free(FrontendKey key)
    {
        if (_known.Remove(key, out (uint Id, string Owner) found))
        {
            _freed[key] = found.Id;
        }
    }

    public uint Take(FrontendKey key, string owner)
    {
        if (!_freed.Remove(key, out uint id))
        {
            id = _kept.Remove(key, out uint former) ? former : New();
        }

        _known.Add(key, (id, owner));
        return id;
    }

    public void EndChange()
    {
        foreach (uint id in _freed.Values)
        {
            // A slot whose generations are used up is given away no more.
            int slot = (int)(id & SlotMask);
            if (++_generations[slot] <= LastGeneration)
            {
                _freeSlots.Push(slot);
            }
        }

        _freed.Clear();
    }

    private uint New()
    {
        if (!_freeSlots.TryPop(out int slot))
        {
            slot = _generations.Count;
            _generations.Add(0);
        }

        return (_generations[slot] << ServiceTable.SlotBits) | (uint)slot;
    }
}
