namespace ClusterMesh.Datapath.Pipeline;

/// <summary>What stands before the entries of a flow table. The first 12 of 64 bytes in a file; the others are 0.</summary>
public struct TableHead
{
    /// <summary>Entries from the first on of which each was in use at some time.</summary>
    public int UsedCount;

    /// <summary>Number of the entry that is being written, counted from 1; 0 for none.</summary>
    public int Written;

    /// <summary>The first number inverted.</summary>
    public int UsedInverted;
}
