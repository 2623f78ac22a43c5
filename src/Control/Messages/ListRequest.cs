namespace ClusterMesh.Datapath.Control.Messages;

/// <summary>Parameters of <c>list</c>. A cursor is what the page before gave as its next.</summary>
public sealed record ListRequest(string Kind, int? Limit = null, string? Cursor = null);
