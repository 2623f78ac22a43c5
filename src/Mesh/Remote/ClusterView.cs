using System.Collections.Immutable;
using ClusterMesh.Datapath.Mesh.Schema;

namespace ClusterMesh.Datapath.Mesh.Remote;

/// <summary>What is known of one other cluster. Immutable; keys are those of the records without their prefix.</summary>
/// <param name="Nodes">By node name.</param>
/// <param name="Ips">By address or CIDR.</param>
/// <param name="Identities">By number.</param>
/// <param name="Services">By namespace/name; shared ones only.</param>
public sealed record ClusterView(
    string Name,
    uint ClusterId,
    ImmutableDictionary<string, MeshNode> Nodes,
    ImmutableDictionary<string, IpIdentity> Ips,
    ImmutableDictionary<uint, IdentityLabels> Identities,
    ImmutableDictionary<string, ClusterService> Services)
{
    public static ClusterView Empty(string name, uint clusterId) => new(
        name, clusterId,
        ImmutableDictionary.Create<string, MeshNode>(StringComparer.Ordinal),
        ImmutableDictionary.Create<string, IpIdentity>(StringComparer.Ordinal),
        ImmutableDictionary<uint, IdentityLabels>.Empty,
        ImmutableDictionary.Create<string, ClusterService>(StringComparer.Ordinal));
}
