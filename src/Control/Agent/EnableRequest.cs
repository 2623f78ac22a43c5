namespace ClusterMesh.Datapath.Control.Agent;

/// <summary>Parameters of <c>enable</c>: the CA that the mesh shares, PEM; a new one is made when both are absent.</summary>
public sealed record EnableRequest(string? CaCertificate = null, string? CaKey = null);
