namespace ClusterMesh.Datapath.Pipeline;

/// <summary>How a flow from the node network gets to a backend on another node (Cilium's bpf-lb-mode).</summary>
public enum ForwardingMode : byte
{
    /// <summary>Under this node's address, so that the answers come back through it.</summary>
    Snat,

    /// <summary>Under the client's address, which the backend's node answers directly in the service's name.</summary>
    Dsr,

    /// <summary>TCP directly, the rest under this node's address.</summary>
    Hybrid,
}
