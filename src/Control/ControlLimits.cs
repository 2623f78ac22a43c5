namespace ClusterMesh.Datapath.Control;

/// <summary>What one server grants its clients; the values of docs/control-protocol.md unless a test says otherwise.</summary>
public sealed record ControlLimits
{
    public int ConnectionCount { get; init; } = 64;

    public long RequestLength { get; init; } = 64 * 1024 * 1024;

    /// <summary>Requests under way on one connection.</summary>
    public int RequestCount { get; init; } = 16;

    /// <summary>Watches on one connection.</summary>
    public int WatchCount { get; init; } = 16;

    /// <summary>Rows of a page, when the request does not say and at most.</summary>
    public int PageLength { get; init; } = 10_000;

    /// <summary>Rows that one watch follows; the server keeps about 150 bytes for each.</summary>
    public int WatchedObjectCount { get; init; } = 200_000;

    /// <summary>A client that takes none of its answers for so long is disconnected.</summary>
    public TimeSpan SendTimeout { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>How long requests under way may take when the server stops.</summary>
    public TimeSpan StopTimeout { get; init; } = TimeSpan.FromSeconds(5);
}
