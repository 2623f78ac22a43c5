using System.Numerics;
using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.Pipeline;

/// <summary>
/// The prefixes of a <see cref="PrefixTable"/> as they were at one <see cref="PrefixTable.Publish"/>: where the route stage finds the longest
/// match of a destination. It never changes; any thread may read it from the volatile read that gave it until the owner reclaims its version.
/// </summary>
/// <remarks>
/// The first two bytes index two flat levels, then each node takes six bits. The best match is only noted on the way down and its value
/// fetched once at the end: the loads that follow each other are the row, the nodes, the value.
/// </remarks>
public sealed class PrefixMap
{
    internal const int NodeChunkShift = 14;
    internal const int ValueChunkShift = 14;
    internal const int RowChunkShift = 10;

    private static readonly ulong[] s_covering = MakeCovering();

    private readonly PrefixNode[][] _nodes;
    private readonly int[][] _values;
    private readonly PrefixRow[][] _rows;
    private readonly int _ipv4Rows;
    private readonly int _ipv6Rows;

    internal PrefixMap(long version, PrefixNode[][] nodes, int[][] values, PrefixRow[][] rows, int ipv4Rows, int ipv6Rows)
    {
        Version = version;
        _nodes = nodes;
        _values = values;
        _rows = rows;
        _ipv4Rows = ipv4Rows;
        _ipv6Rows = ipv6Rows;
    }

    /// <summary>Counts up with each publication; for <see cref="PrefixTable.Reclaim"/>.</summary>
    public long Version { get; }

    /// <summary>The value of the longest prefix of the address's own family that contains it; -1 when there is none.</summary>
    public bool TryLookup(IpAddress address, out int value)
    {
        // The bits still to be looked at, first bit highest. An IPv4 address is its last 32 bits, started at its own rows.
        bool ipv4 = address.IsIpv4;
        ulong high = ipv4 ? address.Low << 32 : address.High;
        ulong low = ipv4 ? 0 : address.Low;
        int column = (int)(high >> 48) & 0xFF;
        ref readonly PrefixRow row = ref Row((ipv4 ? _ipv4Rows : _ipv6Rows) + (int)(high >> 56));
        ref readonly PrefixNode node = ref Node(row.Nodes + column);
        high = high << 16 | low >> 48;
        low <<= 16;

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
                    value = node.Values;
                    return true;
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

        value = bestMatches != 0 ? ValueOf(in best, bestMatches) : ShortValue(in row, column);
        return value >= 0;
    }

    /// <summary>The value of the longest of the matches: prefixes of a node are numbered shorter first.</summary>
    private int ValueOf(in PrefixNode node, ulong matches)
    {
        if (BitOperations.IsPow2(node.Internal))
        {
            return node.Values;
        }

        return Value(node.Values + PrefixNode.Rank(node.Internal, 1UL << BitOperations.Log2(matches)));
    }

    private int ShortValue(in PrefixRow row, int column)
    {
        int value = Value(row.Shorter + column);
        return value >= 0 ? value : row.Value;
    }

    private ref readonly PrefixRow Row(int index) => ref _rows[index >> RowChunkShift][index & (1 << RowChunkShift) - 1];

    private ref readonly PrefixNode Node(int index) => ref _nodes[index >> NodeChunkShift][index & (1 << NodeChunkShift) - 1];

    private int Value(int index) => _values[index >> ValueChunkShift][index & (1 << ValueChunkShift) - 1];

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
