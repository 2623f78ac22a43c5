namespace ClusterMesh.Datapath.Control.Rows;

/// <summary>The forwarder in a page.</summary>
public sealed record StatusReport(
    string Version, string Node, string Cluster, int ClusterId, int ProcessId, long UptimeSeconds, long ConfigurationVersion,
    string RoutingMode, string Masquerading, string ClusterMesh, int Endpoints, int Nodes, int Routes, int Services, int Backends,
    TableFill Conntrack, TableFill Snat, TableFill Neighbors, IReadOnlyList<PortRow> Ports, ulong ForwardedPackets, ulong DroppedPackets, long WorkerAllocatedBytes,
    IReadOnlyList<WorkerRow> Workers);
