using ClusterMesh.Datapath.Pipeline;
using ClusterMesh.Datapath.State.Desired;

namespace ClusterMesh.Datapath.State;

/// <summary>A change that holds, not yet in force.</summary>
/// <param name="Delta">What is different; endpoints removed need their port closed, those added one opened.</param>
/// <param name="ChangedCount">Objects that differ; 0 when the change asks for what is there.</param>
/// <param name="Ports">All ports afterwards, by name.</param>
public sealed record StatePlan(DesiredState Previous, DesiredState Next, DesiredDelta Delta, int ChangedCount, IReadOnlyDictionary<string, Port> Ports)
{
    public IReadOnlyList<EndpointSpec> Removed => Delta.Endpoints.Removed;

    public IReadOnlyList<EndpointSpec> Added => Delta.Endpoints.Added;
}
