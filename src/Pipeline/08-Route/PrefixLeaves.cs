using System.Numerics;

namespace ClusterMesh.Datapath.Pipeline;

/// <summary>
/// The best matches of all 256 prefixes of 24 bits below 16 bits, side by side in one block: most look-ups of IPv4 end here after one wait
/// for memory. Equal neighbours are one value behind a bitmap of where runs begin (the leaf vector of Poptrie: Asai and Ohara,
/// SIGCOMM 2015). Writer's side; made anew at publication for the sixteen bits below which something has changed.
/// </summary>
/// <remarks>
/// A block: eight words with a bit for each place where a run begins, two words with a byte for each of those (how many runs begin before
/// it), then the runs' values. 256 numbers of blocks by the second eight bits stand in a block, the numbers of those by the first eight in
/// <see cref="Tops"/>. Block 0 says <see cref="LongWay"/> wherever it is read, so that no look-up has to ask whether there is a block.
/// The nodes stay the truth: these are only copied from them.
/// </remarks>
internal sealed class PrefixLeaves
{
    /// <summary>Bits that choose a block.</summary>
    public const int AreaLength = 16;

    /// <summary>Bits of the address decided by a block.</summary>
    public const int Stride = 8;

    /// <summary>Entries of a block when it is spread out.</summary>
    public const int Width = 1 << Stride;

    /// <summary>Words in front of the values.</summary>
    public const int HeaderLength = CountsAt + 2;

    /// <summary>Where the counts begin.</summary>
    public const int CountsAt = Width / 32;

    public const int ChunkShift = 14;

    /// <summary>An entry that says: longer prefixes lie below, ask the nodes.</summary>
    public const int LongWay = -2;

    private const int FamilyCount = 2;

    /// <summary>The longest block has a header and 256 values.</summary>
    private const int LargestOrder = 9;

    private readonly PrefixSlab<int> _blocks = new(ChunkShift, sizeof(int), LongWay, LargestOrder);
    private readonly IndexSet _changed = new();
    private readonly int _noNumbers;
    private int[] _tops;
    private bool _isShown;

    public PrefixLeaves()
    {
        _changed.Grow(FamilyCount << AreaLength);
        _noNumbers = _blocks.Store(new int[Width]);
        _tops = new int[FamilyCount * Width];
        Array.Fill(_tops, _noNumbers);
    }

    /// <summary>For a <see cref="PrefixMap"/>: by family and the first eight bits, where the next eight choose. Not written once shown.</summary>
    public int[] Tops
    {
        get
        {
            _isShown = true;
            return _tops;
        }
    }

    public int[][] Chunks => _blocks.Chunks;

    public long MemoryLength => _blocks.MemoryLength + _changed.MemoryLength + _tops.Length * (long)sizeof(int);

    public long WrittenLength => _blocks.WrittenLength;

    public long UsedLength => _blocks.UsedLength;

    /// <summary>The first of 16 bits below which something has changed, family in front; they are then taken as unchanged.</summary>
    public bool TryTakeChanged(out int area)
    {
        area = _changed.IsEmpty ? 0 : _changed.First;
        bool any = !_changed.IsEmpty;
        if (any)
        {
            _changed.Remove(area);
        }

        return any;
    }

    /// <param name="family">0 or 1.</param>
    /// <param name="first">The first 16 bits.</param>
    /// <param name="count">How many of them in a row.</param>
    public void MarkChanged(int family, int first, int count)
    {
        for (int area = first; area < first + count; area++)
        {
            int member = family << AreaLength | area;
            if (!_changed.Contains(member))
            {
                _changed.Add(member);
            }
        }
    }

    /// <summary>Puts the entries in place of the block of these 16 bits; no block when it would seldom be the end of a look-up.</summary>
    public void Set(int area, ReadOnlySpan<int> entries)
    {
        int before = BlockOf(area);
        int block = IsWorthIt(entries) ? Make(entries) : 0;
        if (before != 0)
        {
            _blocks.Release(before, HeaderLength + RunCount(before));
        }

        if (block != before)
        {
            Point(area, block);
        }
    }

    public void Publish(long version) => _blocks.Publish(version);

    public void Reclaim(long oldestVersionInUse) => _blocks.Reclaim(oldestVersionInUse);

    private static bool IsWorthIt(ReadOnlySpan<int> entries)
    {
        int longer = entries.Count(LongWay);
        return longer <= Width / 2 && longer + entries.Count(PrefixRow.NoValue) < Width;
    }

    private int BlockOf(int area) => _blocks[_tops[area >> Stride] + (area & (Width - 1))];

    private int Make(ReadOnlySpan<int> entries)
    {
        Span<int> made = stackalloc int[HeaderLength + Width];
        made[..HeaderLength].Clear();
        int count = 0;
        for (int i = 0; i < Width; i++)
        {
            if (i % 32 == 0)
            {
                made[CountsAt + i / 128] |= count << (i / 32 % 4 * 8);
            }

            if (i == 0 || entries[i] != entries[i - 1])
            {
                made[i / 32] |= 1 << i % 32;
                made[HeaderLength + count++] = entries[i];
            }
        }

        return _blocks.Store(made[..(HeaderLength + count)]);
    }

    private int RunCount(int block)
    {
        int count = 0;
        foreach (int word in _blocks.Block(block, CountsAt))
        {
            count += BitOperations.PopCount((uint)word);
        }

        return count;
    }

    private void Point(int area, int block)
    {
        int top = area >> Stride;
        int numbers;
        if (_tops[top] == _noNumbers)
        {
            Span<int> alone = stackalloc int[Width];
            alone.Clear();
            alone[area & (Width - 1)] = block;
            numbers = _blocks.Store(alone);
        }
        else
        {
            numbers = _blocks.Replace(_tops[top], Width, area & (Width - 1), block);
        }

        if (!_blocks.Block(numbers, Width).ContainsAnyExcept(0))
        {
            _blocks.Release(numbers, Width);
            numbers = _noNumbers;
        }

        if (numbers != _tops[top])
        {
            if (_isShown)
            {
                _tops = [.. _tops];
                _isShown = false;
            }

            _tops[top] = numbers;
        }
    }
}
