namespace ClusterMesh.Datapath.Observe.Metrics;

/// <summary>The passes over conntrack that remove what has expired.</summary>
/// <param name="KeyFallbacks">Entries that had to be looked for again because the table moved under the pass; 0 where that cannot happen.</param>
public readonly record struct ConntrackSweeps(ulong Runs, ulong Alive, ulong Deleted, TimeSpan LastDuration, ulong KeyFallbacks);
