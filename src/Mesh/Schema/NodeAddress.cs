namespace ClusterMesh.Datapath.Mesh.Schema;

/// <summary>One of a node's addresses.</summary>
/// <param name="Type">InternalIP, ExternalIP, CiliumInternalIP, Hostname, InternalDNS or ExternalDNS.</param>
/// <param name="Address">Text: a hostname is no address.</param>
public readonly record struct NodeAddress(string Type, string Address)
{
    public const string InternalIp = "InternalIP";
    public const string ExternalIp = "ExternalIP";
    public const string CiliumInternalIp = "CiliumInternalIP";
}
