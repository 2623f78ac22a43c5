using ClusterMesh.Datapath.Observe.AgentApi;
using ClusterMesh.Datapath.Observe.Metrics;

namespace ClusterMesh.Datapath.Observe.Page;

/// <summary>What the web page shows beside flows, at one moment.</summary>
public sealed record PageState
{
    public required AgentState Agent { get; init; }

    public required MetricsState Metrics { get; init; }

    public string Version { get; init; } = "";

    /// <summary>Empty while nodes do not try each other.</summary>
    public IReadOnlyList<PageNodeHealth> Health { get; init; } = [];

    /// <summary>One sentence each.</summary>
    public IReadOnlyList<string> Warnings { get; init; } = [];
}
