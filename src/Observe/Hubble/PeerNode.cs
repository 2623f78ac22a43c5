namespace ClusterMesh.Datapath.Observe;

/// <summary>A node whose observer can be asked.</summary>
/// <param name="Name">cluster/node.</param>
/// <param name="Address">host:port or unix:///path.</param>
/// <param name="TlsServerName">The name that its certificate must have; null when it speaks plain HTTP/2.</param>
public sealed record PeerNode(string Name, string Address, string? TlsServerName = null);
