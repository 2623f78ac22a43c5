namespace ClusterMesh.Datapath.Pipeline;

/// <summary>
/// One of the 256 entries of a family's first byte; the second byte chooses in the two blocks it names.
/// Short prefixes are spread in two steps of a byte, so that a default route changes 256 entries and not 65,536.
/// </summary>
/// <param name="Nodes">256 nodes with the prefixes of 16 bits and more.</param>
/// <param name="Shorter">256 values: the best match of 8 to 15 bits, or <see cref="NoValue"/>.</param>
/// <param name="Value">The best match of 0 to 7 bits, or <see cref="NoValue"/>.</param>
internal readonly record struct PrefixRow(int Nodes, int Shorter, int Value)
{
    /// <summary>Bytes in memory.</summary>
    public const int Length = 12;

    /// <summary>Entries of every block addressed by one byte.</summary>
    public const int Width = 256;

    public const int NoValue = -1;
}
