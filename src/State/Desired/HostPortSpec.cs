using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.State.Desired;

/// <summary>The TAP towards the node's own network stack.</summary>
public sealed record HostPortSpec(string Namespace, string Interface, MacAddress Mac, bool InstallRoutes)
{
    /// <summary>What may pass without being cut or completed.</summary>
    public TapOffloads Offloads { get; init; } = TapOffloads.All;
}
