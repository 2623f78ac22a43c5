namespace ClusterMesh.Datapath.Control.Rows;

/// <summary>A thread that forwards, with its share of the flows. Engine: io_uring or readiness. HandedOverPackets came in here and went to the worker of their flow.</summary>
public sealed record WorkerRow(
    string Name, string Engine, ulong ForwardedPackets, ulong DroppedPackets, ulong HandedOverPackets, long ConntrackEntries, long SnatEntries, long AllocatedBytes);
