namespace ClusterMesh.Datapath.Control.Rows;

/// <summary>A thread that forwards, with its share of the flows. Engine: io_uring or readiness. HandedOverPackets came in here and went to the worker of their flow.</summary>
public sealed record WorkerRow(
    string Name, string Engine, ulong ForwardedPackets, ulong DroppedPackets, ulong HandedOverPackets, long ConntrackEntries, long SnatEntries, long AllocatedBytes)
{
    /// <summary>How long it has not turned, once that is longer than the forwarder's --watchdog; 0 for a worker that is well.</summary>
    public long StuckMilliseconds { get; init; }

    /// <summary>How often that was since the start.</summary>
    public long StuckCount { get; init; }
}
