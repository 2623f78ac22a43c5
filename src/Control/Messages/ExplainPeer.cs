namespace ClusterMesh.Datapath.Control.Messages;

/// <summary>One end of what is explained.</summary>
public sealed record ExplainPeer(string Address, string Endpoint, long Identity, IReadOnlyList<string> Labels);
