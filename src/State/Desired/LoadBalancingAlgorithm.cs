namespace ClusterMesh.Datapath.State.Desired;

/// <summary>How a new flow gets its backend.</summary>
public enum LoadBalancingAlgorithm
{
    /// <summary>By chance.</summary>
    Random,

    /// <summary>By a table that all nodes have alike.</summary>
    Maglev,
}
