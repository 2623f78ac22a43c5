namespace ClusterMesh.Datapath.Pipeline;

/// <summary>One of the eight entries of a family's first three bits.</summary>
/// <param name="Rows">256 rows for the next eight bits.</param>
/// <param name="Value">The best match of 0 to 2 bits, or <see cref="PrefixRow.NoValue"/>.</param>
internal readonly record struct PrefixRoot(int Rows, int Value)
{
    /// <summary>Bits of the address a root decides.</summary>
    public const int Stride = 3;

    /// <summary>Roots of a family.</summary>
    public const int Count = 1 << Stride;
}
