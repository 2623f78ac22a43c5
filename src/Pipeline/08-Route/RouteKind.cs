namespace ClusterMesh.Datapath.Pipeline;

/// <summary>Where a route leads.</summary>
public enum RouteKind : byte
{
    /// <summary>A pod of this node.</summary>
    Endpoint,

    /// <summary>The node's own network stack.</summary>
    Host,

    /// <summary>Pods of another node, by its address.</summary>
    Node,

    /// <summary>Pods of another node, in a tunnel to its address.</summary>
    Tunnel,

    /// <summary>Any other next hop.</summary>
    Gateway,

    /// <summary>A neighbour on the node network.</summary>
    OnLink,

    /// <summary>An address of this node's pods that no pod has.</summary>
    Unreachable,
}
