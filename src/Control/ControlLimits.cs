namespace ClusterMesh.Datapath.Control;

/// <summary>What one server grants its clients; the values of docs/control-protocol.md unless a test says otherwise.</summary>
public sealed record ControlLimits
{
    public int ConnectionCount { get; init; } = 64;

    /// <summary>Of all who may only read, together: an administrator always finds a place.</summary>
    public int ReaderConnectionCount { get; init; } = 32;

    /// <summary>Of one process.</summary>
    public int ProcessConnectionCount { get; init; } = 32;

    public long RequestLength { get; init; } = 64 * 1024 * 1024;

    /// <summary>The same for those who may only read: they send questions.</summary>
    public long ReaderRequestLength { get; init; } = 1024 * 1024;

    /// <summary>Bytes of requests above 64 KiB that arrive or are under way, on all connections.</summary>
    public long RequestMemory { get; init; } = 256 * 1024 * 1024;

    /// <summary>From the first byte of a line to its end.</summary>
    public TimeSpan LineTimeout { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>Requests in a row that are refused for their form, after which the connection is closed.</summary>
    public int MalformedCount { get; init; } = 1000;

    /// <summary>
    /// Malformed requests that are answered in a second, on all connections, and at once after a rest: a sentence costs some 0.1 ms of a processor that
    /// packets need, and garbage whose collection stops the worker. The others wait for their turn.
    /// </summary>
    public int MalformedRate { get; init; } = 1000;

    public int MalformedBurst { get; init; } = 200;

    /// <summary>The same of requests that are none of these.</summary>
    public int RequestRate { get; init; } = 500;

    public int RequestBurst { get; init; } = 1000;

    /// <summary>Bytes a second of lines above 64 KiB, on all connections, and at once after a rest: their buffers are garbage, too.</summary>
    public int LongLineRate { get; init; } = 16 << 20;

    public int LongLineBurst { get; init; } = 64 << 20;

    /// <summary>Clients that are let in, in a second and at once after a rest; the others wait to be accepted.</summary>
    public int AcceptRate { get; init; } = 100;

    public int AcceptBurst { get; init; } = 64;

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
