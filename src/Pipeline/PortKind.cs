namespace ClusterMesh.Datapath.Pipeline;

/// <summary>What is at the other end of a port.</summary>
public enum PortKind : byte
{
    /// <summary>A pod.</summary>
    Endpoint,

    /// <summary>The node's own network stack.</summary>
    Host,

    /// <summary>The node network.</summary>
    Uplink,
}
