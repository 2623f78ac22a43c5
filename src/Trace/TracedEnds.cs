using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.Trace;

/// <summary>Between whom a synthetic packet passes.</summary>
/// <param name="Port">Name of the port that it comes in by.</param>
internal sealed record TracedEnds(string Port, FlowKey Flow);
