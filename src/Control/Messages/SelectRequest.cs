namespace ClusterMesh.Datapath.Control.Messages;

/// <summary>Parameters of <c>select</c>: a service, or one of its frontends as <c>list service</c> writes it, and a client's address and port.</summary>
public sealed record SelectRequest(string Service, string From);
