using System.Numerics;
using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.Pipeline;

/// <summary>
/// The prefixes of a <see cref="PrefixTable"/> as they were at one <see cref="PrefixTable.Publish"/>: where the route stage finds the longest
/// match of a destination. It never changes; any thread may read it from the volatile read that gave it until the owner reclaims its version.
/// </summary>
/// <remarks>
/// The first 19 bits index flat levels that stay in the cache, then each node takes six bits: an IPv4 prefix of 19 to 24 bits ends in the first
/// node. The best match is only noted on the way down and its value fetched once at the end: what has to be waited for is the node and the value.
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
    private readonly PrefixRoot[] _roots;

    /// <param name="roots">Those of IPv4, then those of IPv6.</param>
    internal PrefixMap(long version, PrefixNode[][] nodes, int[][] values, PrefixRow[][] rows, PrefixRoot[] roots)
    {
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
        int row = RowIndex(address, high);
        value = Descend(in Node(Row(row).Nodes + Column(high)), high, address.IsIpv4 ? 0 : address.Low, row, RootIndex(address, high));
        return value >= 0;
    }

    /// <summary>
    /// As <see cref="TryLookup"/> for up to 64 addresses at once, -1 where there is no prefix: what each would wait for is asked for before
    /// the first is waited for. The steps have no branches that depend on an address; what ends in the first node is done, the rest goes the long way.
    /// </summary>
    public void Lookup(ReadOnlySpan<IpAddress> addresses, Span<int> values)
    {
        Span<int> nodes = stackalloc int[Burst.MaxCount];
        Span<int> places = stackalloc int[Burst.MaxCount];
        Span<int> longer = stackalloc int[Burst.MaxCount];
        for (int i = 0; i < addresses.Length; i++)
        {
            ulong high = FirstBits(addresses[i]);
            nodes[i] = Row(RowIndex(addresses[i], high)).Nodes + Column(high);
            Prefetch.Item(in Node(nodes[i]));
        }

        int longerCount = 0;
        for (int i = 0; i < addresses.Length; i++)
        {
            longer[longerCount] = i;
            longerCount += EndsIn(in Node(nodes[i]), FirstBits(addresses[i]), out places[i], out values[i]) ? 0 : 1;
            Prefetch.Item(in ValueAt(Math.Max(places[i], 0)));
        }

        for (int i = 0; i < longerCount; i++)
        {
            PrefetchBehind(in Node(nodes[longer[i]]), addresses[longer[i]]);
        }

        for (int i = 0; i < addresses.Length; i++)
        {
            int place = places[i];
            int value = ValueAt(Math.Max(place, 0));
            values[i] = place >= 0 ? value : values[i];
        }

        for (int i = 0; i < longerCount; i++)
        {
            TryLookup(addresses[longer[i]], out values[longer[i]]);
        }
    }

    /// <summary>Whether the longest match is one of the first node's own.</summary>
    /// <param name="place">Where its value is; -1 when it is <paramref name="value"/>.</param>
    private static bool EndsIn(in PrefixNode node, ulong high, out int place, out int value)
    {
        int index = (int)(high >> (64 - FlatLength - PrefixNode.Stride)) & ((1 << PrefixNode.Stride) - 1);
        ulong prefixes = node.Internal;
        ulong matches = prefixes & s_covering[index];
        int goesOn = (int)((prefixes | node.External >> index) & 1) | (matches == 0 ? 1 : 0);
        int isAlone = BitOperations.IsPow2(prefixes) ? 1 : 0;
        value = node.Values;
        place = (value + PrefixNode.Rank(prefixes, 1UL << BitOperations.Log2(matches))) | -(goesOn | isAlone);
        return goesOn == 0;
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
