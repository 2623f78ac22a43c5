namespace ClusterMesh.Datapath.Control.Agent;

/// <summary>Parameters of <c>scale</c>.</summary>
public sealed record ScaleRequest(string Deployment, int Replicas);
