namespace ClusterMesh.Datapath.Control.Messages;

/// <summary>Parameters of <c>maglev</c>: a service, or one of its frontends as <c>list service</c> writes it; the node's table size when none is given.</summary>
public sealed record MaglevRequest(string Service, int? TableSize = null);
