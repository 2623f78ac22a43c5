using System.Numerics;

namespace ClusterMesh.Datapath.Pipeline;

/// <summary>
/// A set of small integers: a bitmap, with a bitmap of its non-zero words above it, and so on up to one word.
/// The lowest member is found in as many steps as there are levels, however sparse the set. Writer's side of the prefix table.
/// </summary>
internal sealed class IndexSet
{
    /// <summary>64^5 members are more than an array index can name.</summary>
    private const int LevelCount = 5;

    private readonly ulong[][] _levels = new ulong[LevelCount][];

    public IndexSet()
    {
        for (int level = 0; level < LevelCount; level++)
        {
            _levels[level] = new ulong[1];
        }
    }

    public bool IsEmpty => _levels[LevelCount - 1][0] == 0;

    /// <summary>The lowest member; the set must not be empty.</summary>
    public int First
    {
        get
        {
            int index = 0;
            for (int level = LevelCount - 1; level >= 0; level--)
            {
                index = index << 6 | BitOperations.TrailingZeroCount(_levels[level][index]);
            }

            return index;
        }
    }

    /// <summary>Bytes held.</summary>
    public long MemoryLength
    {
        get
        {
            long words = 0;
            foreach (ulong[] level in _levels)
            {
                words += level.Length;
            }

            return words * sizeof(ulong);
        }
    }

    /// <summary>Makes room for members below <paramref name="limit"/>.</summary>
    public void Grow(int limit)
    {
        for (int level = 0; level < LevelCount; level++)
        {
            limit = (limit + 63) >> 6;
            if (_levels[level].Length < limit)
            {
                Array.Resize(ref _levels[level], limit);
            }
        }
    }

    public bool Contains(int index) => (_levels[0][index >> 6] >> index & 1) != 0;

    public void Add(int index)
    {
        for (int level = 0; level < LevelCount; level++)
        {
            ref ulong word = ref _levels[level][index >> 6];
            ulong before = word;
            word |= 1UL << index;
            if (before != 0)
            {
                return;
            }

            index >>= 6;
        }
    }

    public void Remove(int index)
    {
        for (int level = 0; level < LevelCount; level++)
        {
            ref ulong word = ref _levels[level][index >> 6];
            word &= ~(1UL << index);
            if (word != 0)
            {
                return;
            }

            index >>= 6;
        }
    }
}
