namespace ClusterMesh.Datapath.Control.Documents;

/// <summary>Ports of a protocol, or an ICMP type.</summary>
public sealed record PolicyPortDocument
{
    /// <summary>TCP, UDP, SCTP, ANY for these three, ICMP or ICMPv6.</summary>
    public string Protocol { get; set; } = "TCP";

    /// <summary>Of ICMP the type; absent for all.</summary>
    public int? Port { get; set; }

    /// <summary>Last port of a range.</summary>
    public int? EndPort { get; set; }
}
