using System.Numerics;
using System.Runtime.CompilerServices;
using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.Pipeline;

/// <summary>
/// The prefixes of a <see cref="PrefixTable"/> as they were at one <see cref="PrefixTable.Publish"/>: where the route stage finds the longest
/// match of a destination. It never changes; any thread may read it from the volatile read that gave it until the owner reclaims its version.
/// </summary>
/// <remarks>
/// Two ways. The short one: 16 bits choose a block of <see cref="PrefixLeaves"/>, eight more the match in it; one wait, and most of IPv4 ends there.
/// The long one, for what has longer prefixes or no block: the first 19 bits index flat levels that stay in the cache, then each node takes six bits.
/// The best match is only noted on the way down and its value fetched once at the end: what has to be waited for is each node and the value.
/// </remarks>
public sealed class PrefixMap
{
    internal const int NodeChunkShift = 14;
    internal const int ValueChunkShift = 14;
    internal const int RowChunkShift = 10;

    private const int FlatLength = PrefixFamily.FlatLength;

    private static readonly ulong[] s_covering = MakeCovering();

    private readonly PrefixNode[][] _nodes;
    private readonly int[][] _values;
    private readonly PrefixRow[][] _rows;
    private readonly int[][] _leaves;
    private readonly int[] _tops;
    private readonly PrefixRoot[] _roots;

    /// <param name="leaves">With <paramref name="tops"/>, see <see cref="PrefixLeaves"/>.</param>
    /// <param name="roots">Those of IPv4, then those of IPv6.</param>
    internal PrefixMap(long version, PrefixNode[][] nodes, int[][] values, PrefixRow[][] rows, int[][] leaves, int[] tops, PrefixRoot[] roots)
    {
        _leaves = leaves;
        _tops = tops;
        Version = version;
        _nodes = nodes;
        _values = values;
        _rows = rows;
        _roots = roots;
    }

    /// <summary>Counts up with each publication; for <see cref="PrefixTable.Reclaim"/>.</summary>
    public long Version { get; }

    /// <summary>The value of the longest prefix of the address's own family that contains it; -1 when there is none.</summary>
    public bool TryLookup(IpAddress address, out int value)
    {
        ulong high = FirstBits(address);
        value = Leaf(LeafAt(LeavesOf(address, high), LeafIndex(high)));
        if (value < 0)
        {
            value = TakeLongWay(address, high);
        }

        return value >= 0;
    }

    /// <summary>
    /// As <see cref="TryLookup"/> for up to 64 addresses at once, -1 where there is no prefix: what each would wait for is asked for before
    /// the first is waited for.
    /// </summary>
    public void Lookup(ReadOnlySpan<IpAddress> addresses, Span<int> values)
    {
        Span<int> blocks = stackalloc int[Burst.MaxCount];
        Span<int> indexes = stackalloc int[Burst.MaxCount];
        for (int i = 0; i < addresses.Length; i++)
        {
            ulong high = FirstBits(addresses[i]);
            int block = LeavesOf(addresses[i], high);
            indexes[i] = LeafIndex(high);
            blocks[i] = block;
            PrefetchLeaves(block);
        }

        for (int i = 0; i < addresses.Length; i++)
        {
            blocks[i] = LeafAt(blocks[i], indexes[i]);
            Prefetch.Item(in Leaf(blocks[i]));
        }

        Span<int> rest = stackalloc int[Burst.MaxCount];
        int restCount = 0;
        for (int i = 0; i < addresses.Length; i++)
        {
            int value = Leaf(blocks[i]);
            values[i] = value;
            rest[restCount] = i;
            restCount += (int)((uint)value >> 31);
        }

        if (restCount > 0)
        {
            TakeLongWay(addresses, rest[..restCount], values);
        }
    }

    /// <summary>Where in a block of leaves the best match of 24 bits or less stands.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private int LeafAt(int block, int index)
    {
        ReadOnlySpan<int> chunk = _leaves[block >> PrefixLeaves.ChunkShift];
        int start = block & ((1 << PrefixLeaves.ChunkShift) - 1);
        int word = index >> 5;
        int before = chunk[start + PrefixLeaves.CountsAt + (word >> 2)] >> (word << 3) & 0xFF;
        return block + PrefixLeaves.HeaderLength - 1 + before + BitOperations.PopCount((uint)chunk[start + word] & ((2u << index) - 1));
    }

    private ref readonly int Leaf(int at) => ref _leaves[at >> PrefixLeaves.ChunkShift][at & ((1 << PrefixLeaves.ChunkShift) - 1)];

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private int LeavesOf(IpAddress address, ulong high)
    {
        int top = _tops[(address.IsIpv4 ? 0 : PrefixLeaves.Width) + (int)(high >> 56)] + ((int)(high >> 48) & (PrefixLeaves.Width - 1));
        return _leaves[top >> PrefixLeaves.ChunkShift][top & ((1 << PrefixLeaves.ChunkShift) - 1)];
    }

    private static int LeafIndex(ulong high) => (int)(high >> (64 - PrefixLeaves.AreaLength - PrefixLeaves.Stride)) & (PrefixLeaves.Width - 1);

    /// <summary>A block of a full table has 10 words and some 34 values: three lines of the cache.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private void PrefetchLeaves(int block)
    {
        ReadOnlySpan<int> chunk = _leaves[block >> PrefixLeaves.ChunkShift];
        int start = block & ((1 << PrefixLeaves.ChunkShift) - 1);
        Prefetch.Item(in chunk[start]);
        Prefetch.Item(in chunk[start + PrefixLeaves.HeaderLength - 1]);
    }

    private int TakeLongWay(IpAddress address, ulong high)
    {
        int row = RowIndex(address, high);
        return Descend(in Node(Row(row).Nodes + Column(high)), high, address.IsIpv4 ? 0 : address.Low, row, RootIndex(address, high));
    }

    /// <summary>For the addresses at the places of <paramref name="rest"/>, nodes and values of all asked for before the first is waited for.</summary>
    private void TakeLongWay(ReadOnlySpan<IpAddress> addresses, ReadOnlySpan<int> rest, Span<int> values)
    {
        foreach (int i in rest)
        {
            ulong high = FirstBits(addresses[i]);
            Prefetch.Item(in Node(Row(RowIndex(addresses[i], high)).Nodes + Column(high)));
        }

        foreach (int i in rest)
        {
            ulong high = FirstBits(addresses[i]);
            PrefetchBehind(in Node(Row(RowIndex(addresses[i], high)).Nodes + Column(high)), addresses[i]);
        }

        foreach (int i in rest)
        {
            values[i] = TakeLongWay(addresses[i], FirstBits(addresses[i]));
        }
    }

    /// <summary>What the long way reads next.</summary>
    private void PrefetchBehind(in PrefixNode node, IpAddress address)
    {
        ulong high = FirstBits(address);
        ulong child = 1UL << ((int)(high >> (64 - FlatLength - PrefixNode.Stride)) & ((1 << PrefixNode.Stride) - 1));
        if (node.IsFolded || (node.External & child) != 0)
        {
            Prefetch.Item(in Node(node.IsFolded ? node.Children : node.Children + PrefixNode.Rank(node.External, child)));
        }
        else
        {
            Prefetch.Item(in ValueAt(Row(RowIndex(address, high)).Shorter + Column(high)));
        }
    }

    /// <summary>The longest match at the node or below it, else among the shorter prefixes.</summary>
    private int Descend(ref readonly PrefixNode node, ulong high, ulong low, int row, int root)
    {
        int column = Column(high);
        high = high << FlatLength | low >> (64 - FlatLength);
        low <<= FlatLength;
        ref readonly PrefixNode best = ref node;
        ulong bestMatches = 0;
        while (true)
        {
            int index = (int)(high >> 58);
            int next;
            int shift = PrefixNode.Stride;
            if (node.IsFolded)
            {
                shift = node.WayLength;
                if ((high ^ node.External) >> (64 - shift) != 0)
                {
                    break;
                }

                if (node.IsLeaf)
                {
                    return node.Values;
                }

                next = node.Children;
            }
            else
            {
                ulong matches = node.Internal & s_covering[index];
                if (matches != 0)
                {
                    best = ref node;
                    bestMatches = matches;
                }

                if ((node.External >> index & 1) == 0)
                {
                    break;
                }

                next = node.Children + PrefixNode.Rank(node.External, 1UL << index);
            }

            node = ref Node(next);
            high = high << shift | low >> (64 - shift);
            low <<= shift;
        }

        return bestMatches != 0 ? ValueOf(in best, bestMatches) : ShortValue(in Row(row), column, root);
    }

    /// <summary>The value of the longest of the matches: prefixes of a node are numbered shorter first.</summary>
    private int ValueOf(in PrefixNode node, ulong matches)
    {
        if (BitOperations.IsPow2(node.Internal))
        {
            return node.Values;
        }

        return ValueAt(node.Values + PrefixNode.Rank(node.Internal, 1UL << BitOperations.Log2(matches)));
    }

    private int ShortValue(in PrefixRow row, int column, int root)
    {
        int value = ValueAt(row.Shorter + column);
        return value >= 0 ? value : row.Value >= 0 ? row.Value : _roots[root].Value;
    }

    /// <summary>The first bits that are looked at, first bit highest: an IPv4 address is its last 32 bits, started at its own roots.</summary>
    private static ulong FirstBits(IpAddress address) => address.IsIpv4 ? address.Low << 32 : address.High;

    private static int RootIndex(IpAddress address, ulong high) => (address.IsIpv4 ? 0 : PrefixRoot.Count) + (int)(high >> (64 - PrefixRoot.Stride));

    private int RowIndex(IpAddress address, ulong high) =>
        _roots[RootIndex(address, high)].Rows + ((int)(high >> (64 - PrefixRoot.Stride - PrefixRow.Stride)) & (PrefixRow.Width - 1));

    private static int Column(ulong high) => (int)(high >> (64 - FlatLength)) & (PrefixRow.Width - 1);

    private ref readonly PrefixRow Row(int index) => ref _rows[index >> RowChunkShift][index & ((1 << RowChunkShift) - 1)];

    private ref readonly PrefixNode Node(int index) => ref _nodes[index >> NodeChunkShift][index & ((1 << NodeChunkShift) - 1)];

    private ref readonly int ValueAt(int index) => ref _values[index >> ValueChunkShift][index & ((1 << ValueChunkShift) - 1)];

    /// <summary>For each six bits, the prefixes of a node that contain them.</summary>
    private static ulong[] MakeCovering()
    {
        ulong[] covering = new ulong[1 << PrefixNode.Stride];
        for (int index = 0; index < covering.Length; index++)
        {
            for (int depth = 0; depth < PrefixNode.Stride; depth++)
            {
                covering[index] |= PrefixNode.InternalBit(index, depth);
            }
        }

        return covering;
    }
}
