namespace ClusterMesh.Datapath.Control.Rows;

/// <summary>
/// Who is behind a prefix. TunnelEndpoint is 0.0.0.0 where there is none. Flags: skiptunnel, hastunnel, ipv6tunnel, remotecluster. Source is who said
/// so: local, node, policy, or what an entry that was told names.
/// </summary>
public sealed record IpcacheRow(string Prefix, long Identity, int EncryptKey, string TunnelEndpoint, IReadOnlyList<string> Flags, string Cluster, string Source, IReadOnlyList<string> Labels);
