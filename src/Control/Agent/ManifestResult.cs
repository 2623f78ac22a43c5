namespace ClusterMesh.Datapath.Control.Agent;

/// <summary>One line for each object: <c>service/webpod configured</c>.</summary>
public sealed record ManifestResult(IReadOnlyList<string> Objects);
