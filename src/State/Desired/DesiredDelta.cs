namespace ClusterMesh.Datapath.State.Desired;

/// <summary>The difference between two wanted states, by which tables follow at the cost of the change and not of the whole.</summary>
public sealed class DesiredDelta
{
    public bool MasqueradeChanged { get; set; }

    public SpecDelta<EndpointSpec> Endpoints { get; } = new();

    public SpecDelta<NodeSpec> Nodes { get; } = new();

    public SpecDelta<RouteSpec> Routes { get; } = new();

    public SpecDelta<ServiceSpec> Services { get; } = new();

    /// <summary>Objects that were added, removed or are different now.</summary>
    public int ObjectCount => (MasqueradeChanged ? 1 : 0)
        + Endpoints.ObjectCount(e => e.Name) + Nodes.ObjectCount(n => (n.Cluster, n.Name)) + Routes.ObjectCount(r => r.Prefix) + Services.ObjectCount(s => s.Name);
}
