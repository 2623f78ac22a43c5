using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.Pipeline;

/// <summary>
/// Finds table entries by the hash of their key: open addressing with linear probing, eight bytes a slot (32 bits of hash, entry
/// number), no tombstones (deletion shifts back), memory taken once. Keys stay in the table, which compares them.
/// </summary>
public sealed class FlowIndex
{
    private readonly ulong[] _slots;

    /// <param name="capacity">Most entries; a quarter of the slots stays free so that probes stay short.</param>
    public FlowIndex(int capacity)
    {
        _slots = new ulong[checked((int)(((long)capacity * 4 / 3) + 4))];
    }

    /// <summary>Bytes held.</summary>
    public long MemoryLength => (long)_slots.Length * sizeof(ulong);

    /// <summary>Where the search for a hash begins: hand the slot to <see cref="NextCandidate"/>.</summary>
    public int FirstSlot(ulong hash) => HomeOf((uint)(hash >> 32));

    /// <summary>Asks for the memory in which the search for a hash begins.</summary>
    public void PrefetchSlot(ulong hash) => Prefetch.Start(in _slots[FirstSlot(hash)]);

    /// <summary>
    /// The first candidate of each hash, or -1. All slots are loaded before the first is looked at: the loads do not wait for each other, and
    /// what follows finds them in the cache.
    /// </summary>
    public void FirstCandidates(ReadOnlySpan<ulong> hashes, Span<int> candidates)
    {
        for (int i = 0; i < hashes.Length; i++)
        {
            PrefetchSlot(hashes[i]);
        }

        for (int i = 0; i < hashes.Length; i++)
        {
            int slot = FirstSlot(hashes[i]);
            candidates[i] = NextCandidate(hashes[i], ref slot);
        }
    }

    /// <summary>The next entry with these 32 bits of hash, or -1; <paramref name="slot"/> moves behind it.</summary>
    public int NextCandidate(ulong hash, ref int slot)
    {
        ulong[] slots = _slots;
        uint tag = (uint)(hash >> 32);
        while (true)
        {
            ulong content = slots[slot];
            if (content == 0)
            {
                return -1;
            }

            if (++slot == slots.Length)
            {
                slot = 0;
            }

            if ((uint)(content >> 32) == tag)
            {
                return (int)(uint)content - 1;
            }
        }
    }

    public void Add(ulong hash, int entry)
    {
        int slot = FirstSlot(hash);
        while (_slots[slot] != 0)
        {
            slot = Next(slot);
        }

        _slots[slot] = (hash & 0xFFFF_FFFF_0000_0000) | (uint)(entry + 1);
    }

    /// <summary>Takes out an entry that is there, and closes the gap (Knuth 6.4, algorithm R).</summary>
    public void Remove(ulong hash, int entry)
    {
        int hole = FirstSlot(hash);
        while ((uint)_slots[hole] != (uint)(entry + 1))
        {
            hole = Next(hole);
        }

        for (int slot = Next(hole); _slots[slot] != 0; slot = Next(slot))
        {
            int home = HomeOf((uint)(_slots[slot] >> 32));
            bool staysPut = hole <= slot ? hole < home && home <= slot : hole < home || home <= slot;
            if (!staysPut)
            {
                _slots[hole] = _slots[slot];
                hole = slot;
            }
        }

        _slots[hole] = 0;
    }

    public void Clear() => Array.Clear(_slots);

    private int HomeOf(uint tag) => (int)((tag * (ulong)_slots.Length) >> 32);

    private int Next(int slot) => slot + 1 == _slots.Length ? 0 : slot + 1;
}
