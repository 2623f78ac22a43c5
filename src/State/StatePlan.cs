using ClusterMesh.Datapath.Pipeline;
using ClusterMesh.Datapath.State.Desired;

namespace ClusterMesh.Datapath.State;

/// <summary>A change that holds, not yet in force.</summary>
/// <param name="ChangedCount">Objects that differ; 0 when the change asks for what is there.</param>
/// <param name="Removed">Endpoints whose port goes, those that come back different included.</param>
/// <param name="Added">Endpoints that need a port opened.</param>
/// <param name="Ports">All ports afterwards, by name.</param>
public sealed record StatePlan(
    DesiredState Previous, DesiredState Next, int ChangedCount, IReadOnlyList<EndpointSpec> Removed, IReadOnlyList<EndpointSpec> Added,
    IReadOnlyDictionary<string, Port> Ports);
