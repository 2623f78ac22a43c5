using System.Numerics;

namespace ClusterMesh.Datapath.Pipeline;

/// <summary>
/// The writer's side of the nodes behind the two flat levels of a <see cref="PrefixTable"/>: every change makes new blocks along one path, so that
/// published maps stay as they are. Bits are given first bit highest, from where the node begins; lengths count from there too.
/// </summary>
internal sealed class PrefixTrie
{
    private const int Stride = PrefixNode.Stride;
    private const int NoValue = PrefixRow.NoValue;
    private const int AddressLength = 128;

    private readonly PrefixSlab<PrefixNode> _nodes;
    private readonly PrefixSlab<int> _values;

    public PrefixTrie(PrefixSlab<PrefixNode> nodes, PrefixSlab<int> values)
    {
        _nodes = nodes;
        _values = values;
    }

    /// <summary>The value of exactly this prefix, or <see cref="NoValue"/>.</summary>
    public int Find(PrefixNode node, UInt128 bits, int length)
    {
        while (node.IsFolded || length >= Stride)
        {
            int wayLength = Stride;
            int next = node.Children;
            if (node.IsFolded)
            {
                wayLength = node.WayLength;
                if (length < wayLength || (node.External ^ High(bits)) >> (PrefixNode.MaxWayLength - wayLength) != 0)
                {
                    return NoValue;
                }

                if (node.IsLeaf)
                {
                    return length == wayLength ? node.Values : NoValue;
                }
            }
            else
            {
                ulong child = 1UL << Index(bits);
                if ((node.External & child) == 0)
                {
                    return NoValue;
                }

                next += PrefixNode.Rank(node.External, child);
            }

            node = _nodes[next];
            bits <<= wayLength;
            length -= wayLength;
        }

        ulong place = PrefixNode.InternalBit(Index(bits), length);
        return (node.Internal & place) != 0 ? ValueAt(node, place) : NoValue;
    }

    /// <summary>
    /// The best matches of the addresses' next bits, one entry each for half the width of a node: with the node's own prefixes or, where none
    /// matches, <paramref name="shorter"/>; <see cref="PrefixLeaves.LongWay"/> where longer ones lie below.
    /// </summary>
    public void Spread(PrefixNode node, int shorter, Span<int> entries)
    {
        if (node.IsEmpty || node.IsFolded)
        {
            entries.Fill(shorter);
            if (node.IsFolded)
            {
                entries[Index(node.External) >> 1] = PrefixLeaves.LongWay;
            }

            return;
        }

        for (int i = 0; i < entries.Length; i++)
        {
            if ((node.External >> (2 * i) & 0b11) != 0)
            {
                entries[i] = PrefixLeaves.LongWay;
                continue;
            }

            entries[i] = shorter;
            for (int depth = Stride - 1; depth >= 0; depth--)
            {
                ulong place = PrefixNode.InternalBit(2 * i, depth);
                if ((node.Internal & place) != 0)
                {
                    entries[i] = ValueAt(node, place);
                    break;
                }
            }
        }
    }

    /// <summary>The node with the value set below it, or taken away with <see cref="NoValue"/> (it must be there): an empty node when nothing is left.</summary>
    public PrefixNode Change(PrefixNode node, UInt128 bits, int length, int value)
    {
        if (node.IsFolded)
        {
            node = Unfold(node);
        }

        if (length < Stride)
        {
            return Fold(WithValue(node, PrefixNode.InternalBit(Index(bits), length), value));
        }

        ulong place = 1UL << Index(bits);
        int rank = PrefixNode.Rank(node.External, place);
        bool held = (node.External & place) != 0;
        PrefixNode child = Change(held ? _nodes[node.Children + rank] : default, bits << Stride, length - Stride, value);
        if (child.IsEmpty)
        {
            return Fold(node with { External = node.External & ~place, Children = _nodes.Remove(node.Children, node.ChildCount, rank) });
        }

        int children = held
            ? _nodes.Replace(node.Children, node.ChildCount, rank, child)
            : _nodes.Insert(node.Children, node.ChildCount, rank, child);
        return Fold(node with { External = node.External | place, Children = children });
    }

    /// <summary>The prefixes below the node by address, then length; <paramref name="bits"/> and lengths count from the front of the address.</summary>
    public IEnumerable<(UInt128 Bits, int Length, int Value)> Enumerate(PrefixNode node, UInt128 bits, int length)
    {
        if (node.IsFolded)
        {
            bits |= new UInt128(node.External, 0) >> length;
            length += node.WayLength;
            foreach ((UInt128, int, int) entry in node.IsLeaf ? [(bits, length, node.Values)] : Enumerate(_nodes[node.Children], bits, length))
            {
                yield return entry;
            }

            yield break;
        }

        int child = node.Children;
        for (int index = 0; index < 1 << Stride; index++)
        {
            UInt128 here = bits | ((UInt128)index << (AddressLength - Stride)) >> length;
            for (int depth = ShortestLength(index, Stride); depth < Stride; depth++)
            {
                ulong place = PrefixNode.InternalBit(index, depth);
                if ((node.Internal & place) != 0)
                {
                    yield return (here, length + depth, ValueAt(node, place));
                }
            }

            if ((node.External >> index & 1) != 0)
            {
                foreach ((UInt128, int, int) entry in Enumerate(_nodes[child++], here, length + Stride))
                {
                    yield return entry;
                }
            }
        }
    }

    /// <summary>Of <paramref name="width"/> bits: how long a prefix must at least be to begin at the index.</summary>
    public static int ShortestLength(int index, int width) => width - Math.Min(BitOperations.TrailingZeroCount(index), width);

    /// <summary>A folded node as a plain one, with the way behind its first stride as its child.</summary>
    private PrefixNode Unfold(PrefixNode node)
    {
        ulong way = node.External << Stride;
        int wayLength = node.WayLength - Stride;
        int children = node.Children;
        if (node.IsLeaf)
        {
            PrefixNode leaf = wayLength < Stride
                ? new PrefixNode(PrefixNode.InternalBit(Index(way), wayLength), 0, 0, node.Values)
                : PrefixNode.Leaf(way, wayLength, node.Values);
            children = _nodes.Insert(0, 0, 0, leaf);
        }
        else if (wayLength > 0)
        {
            children = _nodes.Insert(0, 0, 0, PrefixNode.Skip(way, wayLength, children));
        }

        return new PrefixNode(0, 1UL << Index(node.External), children, 0);
    }

    /// <summary>A plain node that only leads to one child is folded, together with the child when that leads one way too and both fit.</summary>
    private PrefixNode Fold(PrefixNode node)
    {
        if (node.Internal != 0 || node.ChildCount != 1)
        {
            return node;
        }

        ulong way = (ulong)BitOperations.TrailingZeroCount(node.External) << (PrefixNode.MaxWayLength - Stride);
        PrefixNode child = _nodes[node.Children];
        if (!child.IsFolded && child.ChildCount == 0 && child.ValueCount == 1)
        {
            // InternalBit numbers the prefixes as 1 << depth | bits, so the depth is the highest bit and the rest are the bits.
            int place = BitOperations.Log2(child.Internal);
            int depth = BitOperations.Log2((uint)place);
            ulong bits = (ulong)(place - (1 << depth)) << (PrefixNode.MaxWayLength - Stride - depth);
            _nodes.Release(node.Children, 1);
            return PrefixNode.Leaf(way | bits, Stride + depth, child.Values);
        }

        if (!child.IsFolded || child.WayLength + Stride > PrefixNode.MaxWayLength)
        {
            return PrefixNode.Skip(way, Stride, node.Children);
        }

        _nodes.Release(node.Children, 1);
        way |= child.External >> Stride;
        return child.IsLeaf
            ? PrefixNode.Leaf(way, Stride + child.WayLength, child.Values)
            : PrefixNode.Skip(way, Stride + child.WayLength, child.Children);
    }

    /// <summary>The node with one value set or, with <see cref="NoValue"/>, taken away. A single value lives in the node itself.</summary>
    private PrefixNode WithValue(PrefixNode node, ulong place, int value)
    {
        int rank = PrefixNode.Rank(node.Internal, place);
        int count = node.ValueCount;
        if (value < 0)
        {
            int values = count switch
            {
                1 => 0,
                2 => _values[node.Values + 1 - rank],
                _ => _values.Remove(node.Values, count, rank),
            };
            _values.Release(node.Values, count == 2 ? 2 : 0);
            return node with { Internal = node.Internal & ~place, Values = values };
        }

        if ((node.Internal & place) != 0)
        {
            return node with { Values = count == 1 ? value : _values.Replace(node.Values, count, rank, value) };
        }

        int block = count == 1 ? _values.Insert(0, 0, 0, node.Values) : node.Values;
        return node with { Internal = node.Internal | place, Values = count == 0 ? value : _values.Insert(block, count, rank, value) };
    }

    private int ValueAt(PrefixNode node, ulong place) =>
        node.ValueCount == 1 ? node.Values : _values[node.Values + PrefixNode.Rank(node.Internal, place)];

    private static ulong High(UInt128 bits) => (ulong)(bits >> 64);

    private static int Index(UInt128 bits) => Index(High(bits));

    private static int Index(ulong bits) => (int)(bits >> (64 - Stride));
}
