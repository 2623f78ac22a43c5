using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.State.Desired;

/// <summary>The TAP towards the node network; <paramref name="Mac"/> is the node's address there.</summary>
/// <param name="SharedMemory">Directory where forwarders of this machine meet to exchange frames through memory; null for none.</param>
public sealed record UplinkPortSpec(
    string Namespace, string Interface, string? Bridge, MacAddress Mac, IReadOnlyList<IpAddress> Gateways, string? SharedMemory = null);
