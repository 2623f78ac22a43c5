namespace ClusterMesh.Datapath.Pipeline;

/// <summary>What conntrack knows of a packet's flow (Cilium's CT status).</summary>
public enum ConntrackStatus : byte
{
    /// <summary>First packet: nothing is recorded yet.</summary>
    New,

    /// <summary>From the flow's client to its server.</summary>
    Established,

    /// <summary>From the server to the client.</summary>
    Reply,

    /// <summary>An ICMP error about the flow, in either direction.</summary>
    Related,
}
