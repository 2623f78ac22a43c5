using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.State.Desired;

/// <summary>The TAP towards the node network; <paramref name="Mac"/> is the node's address there.</summary>
public sealed record UplinkPortSpec(string Namespace, string Interface, string? Bridge, MacAddress Mac, IReadOnlyList<IpAddress> Gateways)
{
    /// <summary>What may pass without being cut or completed.</summary>
    public TapOffloads Offloads { get; init; } = TapOffloads.All;

    /// <summary>The node answers there for its pods' IPv6 addresses.</summary>
    public bool ProxiesNeighbors { get; init; }

    /// <summary>Directory where forwarders of this machine meet to exchange frames through memory; null for none.</summary>
    public string? SharedMemory { get; init; }
}
