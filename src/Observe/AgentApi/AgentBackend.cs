using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.Observe.AgentApi;

/// <summary>A backend of a service.</summary>
/// <param name="State">active, terminating, quarantined or maintenance.</param>
/// <param name="IsPreferred">By the service's affinity; printed with --clustermesh-affinity.</param>
/// <param name="NodeName">Where it runs; empty when that is not known.</param>
public sealed record AgentBackend(IpAddress Address, ushort Port, IpProtocol Protocol, string State = "active", bool IsPreferred = false, string NodeName = "");
