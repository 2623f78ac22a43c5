namespace ClusterMesh.Datapath.Control.Agent;

/// <summary>Objects as JSON text, by key.</summary>
public sealed record ObjectResult(IReadOnlyDictionary<string, string> Objects);
