namespace ClusterMesh.Datapath.Observe.Metrics;

/// <summary>How full a table of fixed size is.</summary>
/// <param name="Name">Cilium's name where it has such a map: ct4_global, snat_v4_external, lb4_services_v2, ipcache_v2.</param>
public readonly record struct TableFill(string Name, ulong Count, ulong Capacity);
