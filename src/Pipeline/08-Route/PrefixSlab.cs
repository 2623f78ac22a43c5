using System.Numerics;

namespace ClusterMesh.Datapath.Pipeline;

/// <summary>
/// Blocks of 1 to 256 items, or another power of two, in chunks that never move, for the writer of a <see cref="PrefixTable"/>. A block a reader
/// may see is never written: an edit makes a new block and retires the old one, which is reused when <see cref="Reclaim"/> says that no reader is
/// left. Blocks made since the last publication belong to the writer alone and are edited and freed at once, so that loading a full table copies
/// little and leaves nothing behind.
/// </summary>
/// <remarks>
/// Free space is a binary buddy system whose blocks give back what lies behind the length asked for: no rounding up, and neighbours join again.
/// Exact free lists would strand a third of the memory while the blocks of a growing trie pass through all lengths.
/// Block 0 is a block of the largest length whose items stand for nothing; it is shared and never written.
/// </remarks>
internal sealed class PrefixSlab<T>
    where T : struct
{
    private const int UsualLargestOrder = 8;

    private readonly int _chunkShift;
    private readonly int _itemLength;
    private readonly int _largestOrder;
    private readonly IndexSet[] _free;
    private readonly IndexSet _fresh = new();
    private readonly Queue<RetiredBlock> _retired = new();
    private T[][] _chunks = new T[4][];
    private int _chunkCount;
    private long _usedCount;
    private long _version;

    /// <param name="chunkShift">A chunk has 1 &lt;&lt; chunkShift items, at least a block of the largest length.</param>
    /// <param name="itemLength">Bytes of one item.</param>
    /// <param name="empty">What block 0 is filled with.</param>
    /// <param name="largestOrder">The largest block has 1 &lt;&lt; largestOrder items.</param>
    public PrefixSlab(int chunkShift, int itemLength, T empty, int largestOrder = UsualLargestOrder)
    {
        _largestOrder = largestOrder;
        _free = new IndexSet[largestOrder + 1];
        _chunkShift = chunkShift;
        _itemLength = itemLength;
        for (int order = 0; order <= _largestOrder; order++)
        {
            _free[order] = new IndexSet();
        }

        int block = Take(1 << _largestOrder);
        _fresh.Remove(block);
        _usedCount = 0;
        Items(block, 1 << _largestOrder).Fill(empty);
    }

    private readonly record struct RetiredBlock(long Version, int Block, int Count);

    /// <summary>For a <see cref="PrefixMap"/>: later chunks may be put behind those it knows, the known ones stay.</summary>
    public T[][] Chunks => _chunks;

    /// <summary>Bytes ever written to make or change blocks: the work of the writer, for tests.</summary>
    public long WrittenLength { get; private set; }

    /// <summary>Bytes of blocks that are neither free nor block 0; retired ones count.</summary>
    public long UsedLength => _usedCount * _itemLength;

    /// <summary>Bytes held, free and retired blocks included.</summary>
    public long MemoryLength
    {
        get
        {
            long length = ((long)_chunkCount << _chunkShift) * _itemLength + _chunks.Length * (long)IntPtr.Size;
            foreach (IndexSet free in _free)
            {
                length += free.MemoryLength;
            }

            return length + _fresh.MemoryLength + _retired.Capacity * 16L;
        }
    }

    public ref readonly T this[int index] => ref _chunks[index >> _chunkShift][index & (1 << _chunkShift) - 1];

    public ReadOnlySpan<T> Block(int block, int count) => Items(block, count);

    /// <summary>The block with one item more; <paramref name="count"/> may be 0.</summary>
    public int Insert(int block, int count, int at, T item)
    {
        int larger = Take(count + 1);
        Span<T> target = Items(larger, count + 1);
        ReadOnlySpan<T> source = Items(block, count);
        source[..at].CopyTo(target);
        target[at] = item;
        source[at..].CopyTo(target[(at + 1)..]);
        Release(block, count);
        return larger;
    }

    /// <summary>The block without one item; block 0 when it was the last.</summary>
    public int Remove(int block, int count, int at)
    {
        int smaller = 0;
        if (count > 1)
        {
            smaller = Take(count - 1);
            Span<T> target = Items(smaller, count - 1);
            ReadOnlySpan<T> source = Items(block, count);
            source[..at].CopyTo(target);
            source[(at + 1)..].CopyTo(target[at..]);
        }

        Release(block, count);
        return smaller;
    }

    /// <summary>The block with one item changed: itself when no reader has seen it.</summary>
    public int Replace(int block, int count, int at, T item)
    {
        if (_fresh.Contains(block))
        {
            WrittenLength += _itemLength;
            Items(block, count)[at] = item;
            return block;
        }

        int copy = Take(count);
        Span<T> target = Items(copy, count);
        Items(block, count).CopyTo(target);
        target[at] = item;
        Release(block, count);
        return copy;
    }

    /// <summary>A new block with these items.</summary>
    public int Store(ReadOnlySpan<T> items)
    {
        int block = Take(items.Length);
        items.CopyTo(Items(block, items.Length));
        return block;
    }

    /// <summary>The table refers to the block no more.</summary>
    public void Release(int block, int count)
    {
        if (block == 0 || count == 0)
        {
            return;
        }

        if (_fresh.Contains(block))
        {
            _fresh.Remove(block);
            _usedCount -= count;
            Free(block, count);
        }
        else
        {
            _retired.Enqueue(new RetiredBlock(_version, block, count));
        }
    }

    /// <summary>From here on readers may see every block in use. Costs as much as there were new blocks.</summary>
    public void Publish(long version)
    {
        _version = version;
        while (!_fresh.IsEmpty)
        {
            _fresh.Remove(_fresh.First);
        }
    }

    /// <summary>Frees the blocks which the oldest version in use does not hold any more.</summary>
    public void Reclaim(long oldestVersionInUse)
    {
        while (_retired.TryPeek(out RetiredBlock retired) && retired.Version < oldestVersionInUse)
        {
            _retired.Dequeue();
            _usedCount -= retired.Count;
            Free(retired.Block, retired.Count);
        }
    }

    private Span<T> Items(int block, int count) => _chunks[block >> _chunkShift].AsSpan(block & (1 << _chunkShift) - 1, count);

    private int Take(int count)
    {
        int order = count == 1 ? 0 : BitOperations.Log2((uint)count - 1) + 1;
        while (order <= _largestOrder && _free[order].IsEmpty)
        {
            order++;
        }

        if (order > _largestOrder)
        {
            AddChunk();
            order = _largestOrder;
        }

        int block = _free[order].First << order;
        _free[order].Remove(block >> order);
        Free(block + count, (1 << order) - count);
        _fresh.Add(block);
        _usedCount += count;
        WrittenLength += (long)count * _itemLength;
        return block;
    }

    /// <summary>Gives back any run of items inside one largest block, cut into the aligned powers of two it consists of.</summary>
    private void Free(int start, int count)
    {
        while (count > 0)
        {
            int order = Math.Min(BitOperations.TrailingZeroCount(start | 1 << _largestOrder), BitOperations.Log2((uint)count));
            Join(start >> order, order);
            start += 1 << order;
            count -= 1 << order;
        }
    }

    private void Join(int index, int order)
    {
        while (order < _largestOrder && _free[order].Contains(index ^ 1))
        {
            _free[order].Remove(index ^ 1);
            index >>= 1;
            order++;
        }

        _free[order].Add(index);
    }

    private void AddChunk()
    {
        // A map in use keeps the directory it was made with, so growing means another directory, never a cleared one.
        if (_chunkCount == _chunks.Length)
        {
            Array.Resize(ref _chunks, _chunkCount * 2);
        }

        int start = _chunkCount << _chunkShift;
        _chunks[_chunkCount++] = new T[1 << _chunkShift];
        int limit = _chunkCount << _chunkShift;
        _fresh.Grow(limit);
        for (int order = 0; order <= _largestOrder; order++)
        {
            _free[order].Grow(limit >> order);
        }

        for (int block = start; block < limit; block += 1 << _largestOrder)
        {
            _free[_largestOrder].Add(block >> _largestOrder);
        }
    }
}
