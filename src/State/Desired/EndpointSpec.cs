using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.State.Desired;

/// <summary>A pod as it is wanted. <paramref name="Source"/> says where that was written ("west.yaml:12" or "endpoints[0]"), for error messages.</summary>
public sealed record EndpointSpec(string Name, string Namespace, string Interface, MacAddress Mac, IReadOnlyList<IpAddress> Addresses, string Source)
{
    /// <summary>What may pass without being cut or completed.</summary>
    public TapOffloads Offloads { get; init; } = TapOffloads.All;
}
