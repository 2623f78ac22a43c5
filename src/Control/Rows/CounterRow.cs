namespace ClusterMesh.Datapath.Control.Rows;

/// <summary>A counter by name: scope is drop, icmp, fragment, source, neighbor, garbage, port, link, worker, table, processing, event, heap or process; unit says what Value counts.</summary>
public sealed record CounterRow(string Scope, string Name, string Counter, ulong Value);
