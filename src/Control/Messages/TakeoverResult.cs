namespace ClusterMesh.Datapath.Control.Messages;

/// <summary>Result of <c>takeover</c>.</summary>
/// <param name="ProcessId">Of the forwarder that is taken over.</param>
/// <param name="Neighbors">When complete: what it knew of the node network, each as address, blank, MAC.</param>
public sealed record TakeoverResult(int ProcessId, IReadOnlyList<string> Neighbors);
