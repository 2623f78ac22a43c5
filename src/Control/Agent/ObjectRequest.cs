namespace ClusterMesh.Datapath.Control.Agent;

/// <summary>Names objects of a kind: its plural in lower case, and namespace/name or, for nodes, the name.</summary>
public sealed record ObjectRequest(string Kind, IReadOnlyList<string> Names);
