using ClusterMesh.Datapath.Pipeline;
using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.State.Desired;

/// <summary>Where a service's flows go.</summary>
/// <param name="Node">Empty when it is not known.</param>
/// <param name="Weight">Share of a Maglev table in relation to the other backends'; chance takes no notice of it.</param>
/// <param name="ForZones">Zones whose nodes shall use it (topology hints), with commas between; empty for no hint.</param>
public sealed record BackendSpec(
    IpAddress Address, ushort Port, string Cluster, string Node, BackendState State = BackendState.Active, ushort Weight = BackendSpec.DefaultWeight, string ForZones = "")
{
    /// <summary>Cilium's.</summary>
    public const ushort DefaultWeight = 100;
}
