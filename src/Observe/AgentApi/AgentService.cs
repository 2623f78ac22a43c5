using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.Observe.AgentApi;

/// <summary>A frontend and its backends: a row of `cilium-dbg service list`.</summary>
public sealed record AgentService
{
    public required int Id { get; init; }

    public required IpAddress Address { get; init; }

    public required ushort Port { get; init; }

    public IpProtocol Protocol { get; init; } = IpProtocol.Tcp;

    /// <summary>ClusterIP, NodePort, LoadBalancer, ExternalIPs, HostPort or LocalRedirect.</summary>
    public string Type { get; init; } = "ClusterIP";

    /// <summary>True for the frontend that only pods of this cluster ask (externalTrafficPolicy Local has two).</summary>
    public bool IsInternal { get; init; }

    public string Namespace { get; init; } = "";

    public string Name { get; init; } = "";

    /// <summary>Empty for a service of this cluster; otherwise it is printed as (Remote).</summary>
    public string Cluster { get; init; } = "";

    public string ExternalTrafficPolicy { get; init; } = "Cluster";

    public string InternalTrafficPolicy { get; init; } = "Cluster";

    public IReadOnlyList<AgentBackend> Backends { get; init; } = [];
}
