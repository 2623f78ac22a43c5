namespace ClusterMesh.Datapath.Pipeline;

/// <summary>What becomes of an entry that another process left.</summary>
public enum FlowFate
{
    Kept,

    /// <summary>Its time is over.</summary>
    Expired,

    /// <summary>Its writer was killed over it, or it says what no writer writes.</summary>
    Broken,

    /// <summary>Its pod, service or backend is no more.</summary>
    Orphaned,

    /// <summary>A mapping whose flow is not there, or an entry that another one contradicts.</summary>
    Unpaired,

    /// <summary>The tables are smaller than they were, and it found no place.</summary>
    NoRoom,

    /// <summary>A mapping whose port is another worker's than its flow.</summary>
    Displaced,
}
