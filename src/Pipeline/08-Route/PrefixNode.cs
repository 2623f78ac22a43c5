using System.Numerics;

namespace ClusterMesh.Datapath.Pipeline;

/// <summary>
/// One node of the trie of prefixes: six bits of an address (Eatherton, Varghese and Dittia, "Tree Bitmap", SIGCOMM CCR 34(2), 2004).
/// Where only one way leads on it is <em>folded</em> instead: several strides to one child, or the rest of a single prefix with its value.
/// Unfolded, an IPv6 host alone would cost nineteen nodes and as many cache misses.
/// </summary>
/// <param name="Internal">Bit (1 &lt;&lt; depth | bits) for each prefix that ends here, depth 0 to 5; bit 0 marks a folded node, see there.</param>
/// <param name="External">A bit for each child; folded: the bits of the way, first bit highest, the rest zero.</param>
/// <param name="Children">Where the children lie in a row; folded: the one child.</param>
/// <param name="Values">The value if there is one prefix, the place of the values if there are more.</param>
internal readonly record struct PrefixNode(ulong Internal, ulong External, int Children, int Values)
{
    /// <summary>Bytes in memory.</summary>
    public const int Length = 24;

    /// <summary>Bits of the address a node decides.</summary>
    public const int Stride = 6;

    /// <summary>What <see cref="External"/> can hold of a way.</summary>
    public const int MaxWayLength = 64;

    private const ulong FoldedFlag = 1;
    private const ulong LeafFlag = 2;
    private const int WayLengthShift = 8;

    public bool IsEmpty => (Internal | External) == 0;

    /// <summary>One way only: to a child behind whole strides, or to the end of a prefix.</summary>
    public bool IsFolded => (Internal & FoldedFlag) != 0;

    /// <summary>Of a folded node: the way ends with a prefix, not at a child.</summary>
    public bool IsLeaf => (Internal & LeafFlag) != 0;

    /// <summary>Of a folded node: the bits of its way, at least a stride.</summary>
    public int WayLength => (int)(Internal >> WayLengthShift);

    public int ValueCount => BitOperations.PopCount(Internal);

    public int ChildCount => BitOperations.PopCount(External);

    public static PrefixNode Skip(ulong way, int wayLength, int child) =>
        new(FoldedFlag | (ulong)wayLength << WayLengthShift, way, child, 0);

    public static PrefixNode Leaf(ulong way, int wayLength, int value) =>
        new(FoldedFlag | LeafFlag | (ulong)wayLength << WayLengthShift, way, 0, value);

    /// <summary>The bit of <see cref="Internal"/> for a prefix that ends <paramref name="depth"/> bits into the node.</summary>
    public static ulong InternalBit(int index, int depth) => 1UL << (1 << depth | index >> (Stride - depth));

    /// <summary>How many members of the bitmap lie before the given bit, which is also where its own lies among them.</summary>
    public static int Rank(ulong bitmap, ulong bit) => BitOperations.PopCount(bitmap & (bit - 1));
}
