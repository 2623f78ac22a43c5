namespace ClusterMesh.Datapath.Control.Agent;

/// <summary>The ready backends of a service in its own cluster: 10.0.1.14:80.</summary>
public sealed record EndpointsDocument(string Namespace, string Name, IReadOnlyList<string> Addresses);
