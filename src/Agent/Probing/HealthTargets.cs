using System.Net;
using ClusterMesh.Datapath.Mesh.Objects;
using ClusterMesh.Datapath.Mesh.Remote;
using ClusterMesh.Datapath.Mesh.Schema;

namespace ClusterMesh.Datapath.Agent.Probing;

/// <summary>Nodes of the own cluster and of all others, each by the address that packets to its pods go to. Pure.</summary>
internal static class HealthTargets
{
    public static IReadOnlyList<HealthTarget> Of(string cluster, LocalObjects objects, MeshView view) =>
    [
        .. objects.Nodes.Values.Select(n => Of(new MeshNode(n.Name, cluster, 0) { Addresses = n.Addresses, Ipv4HealthIp = n.HealthAddress })).OfType<HealthTarget>(),
        .. view.Nodes.Select(Of).OfType<HealthTarget>(),
    ];

    private static HealthTarget? Of(MeshNode node)
    {
        Wire.IpAddress? known = node.NodeIp(true) ?? node.NodeIp(false);
        string endpoint = node.Ipv4HealthIp.Length > 0 ? node.Ipv4HealthIp : node.Ipv6HealthIp;
        return known is null ? null : new HealthTarget(node.Cluster, node.Name, IPAddress.Parse(known.Value.ToString()), IPAddress.TryParse(endpoint, out IPAddress? health) ? health : null);
    }
}
