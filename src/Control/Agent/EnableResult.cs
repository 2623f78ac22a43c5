namespace ClusterMesh.Datapath.Control.Agent;

/// <summary>What was made or kept, a line each, and the CA for the other clusters.</summary>
public sealed record EnableResult(IReadOnlyList<string> Lines, string CaCertificate, string CaKey);
