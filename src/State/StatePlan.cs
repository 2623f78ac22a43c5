using ClusterMesh.Datapath.Pipeline;
using ClusterMesh.Datapath.State.Desired;

namespace ClusterMesh.Datapath.State;

/// <summary>A change that holds, not yet in force.</summary>
/// <param name="Ports">All ports afterwards, by name.</param>
public sealed record StatePlan(DesiredState Previous, DesiredState Next, DesiredDifference Difference, IReadOnlyDictionary<string, Port> Ports)
{
    /// <summary>Objects that differ; 0 when the change asks for what is there.</summary>
    public int ChangedCount => Difference.ChangedCount;

    /// <summary>Endpoints whose port goes, those that come back different included.</summary>
    public IReadOnlyList<EndpointSpec> Removed => Difference.Endpoints.Gone;

    /// <summary>Endpoints that need a port opened.</summary>
    public IReadOnlyList<EndpointSpec> Added => Difference.Endpoints.Come;
}
