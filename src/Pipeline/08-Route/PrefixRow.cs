namespace ClusterMesh.Datapath.Pipeline;

/// <summary>
/// One of the 256 entries behind a root; the eight bits after its own choose in the two blocks it names. Short prefixes are spread in three
/// steps, so that a default route changes eight roots and not half a million nodes.
/// </summary>
/// <param name="Nodes">256 nodes with the prefixes of 19 bits and more.</param>
/// <param name="Shorter">256 values: the best match of 11 to 18 bits, or <see cref="NoValue"/>.</param>
/// <param name="Value">The best match of 3 to 10 bits, or <see cref="NoValue"/>.</param>
internal readonly record struct PrefixRow(int Nodes, int Shorter, int Value)
{
    /// <summary>Bytes in memory.</summary>
    public const int Length = 12;

    /// <summary>Bits of the address a row decides, and so does a place in its blocks.</summary>
    public const int Stride = 8;

    /// <summary>Entries of every block addressed by eight bits.</summary>
    public const int Width = 1 << Stride;

    public const int NoValue = -1;

    /// <summary>A row under which no prefix ends.</summary>
    public static PrefixRow Empty => new(0, 0, NoValue);
}
