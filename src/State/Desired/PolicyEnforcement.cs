namespace ClusterMesh.Datapath.State.Desired;

/// <summary>Cilium's enable-policy.</summary>
public enum PolicyEnforcement
{
    /// <summary>An endpoint is closed by the policies that select it.</summary>
    Default,

    /// <summary>Every endpoint is closed to what no rule allows.</summary>
    Always,

    /// <summary>No policy counts.</summary>
    Never,
}
