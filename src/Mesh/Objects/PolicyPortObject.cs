namespace ClusterMesh.Datapath.Mesh.Objects;

/// <summary>Ports of a protocol, or an ICMP type.</summary>
/// <param name="Protocol">TCP, UDP, SCTP, ANY, ICMP or ICMPv6.</param>
public sealed record PolicyPortObject(string Protocol)
{
    /// <summary>Null for all, or when it is named.</summary>
    public int? Port { get; set; }

    public int? EndPort { get; set; }

    /// <summary>Name of a pod's port; empty when it has none.</summary>
    public string Name { get; set; } = "";
}
