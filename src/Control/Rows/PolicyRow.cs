namespace ClusterMesh.Datapath.Control.Rows;

/// <summary>A policy with the endpoints of this node that it selects. DefaultDeny: of ingress and egress, those that it closes.</summary>
public sealed record PolicyRow(string Name, string Kind, string Selector, IReadOnlyList<string> DefaultDeny, int Rules, IReadOnlyList<string> Endpoints);
