namespace ClusterMesh.Datapath.Pipeline;

/// <summary>What this node is in direct server return, for one packet.</summary>
public enum DirectReturnRole : byte
{
    None,

    /// <summary>The client's choice is one of direct return, if its backend turns out to be on another node.</summary>
    Wanted,

    /// <summary>The packet goes on to the backend's node; its answers do not come this way.</summary>
    Balancer,

    /// <summary>The flow's backend is behind this node, which shows the client what it asked for.</summary>
    Backend,
}
