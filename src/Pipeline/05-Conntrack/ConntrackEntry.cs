using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.Pipeline;

/// <summary>
/// One flow, or one client's choice of backend (<see cref="FlowScope.Service"/>). 88 bytes, no references. Times in seconds of the
/// monotonic clock. A flow's key is ordered, so that both directions find it by one look-up.
/// </summary>
public record struct ConntrackEntry
{
    /// <summary>Bytes in memory; asserted by a test.</summary>
    public const int Length = 88;

    public FlowKey Key;

    /// <summary>The entry is dead from this second on. Beside the key, because a look-up reads both.</summary>
    public uint Expires;

    /// <summary>The chosen backend. In an unused entry: the next unused one.</summary>
    public uint BackendId;

    public ulong Packets;

    public ulong Bytes;

    /// <summary>Last second in which the client sent.</summary>
    public uint LastTx;

    /// <summary>Last second in which the server sent.</summary>
    public uint LastRx;

    public ConntrackFlags Flags;

    /// <summary>TCP flags the client has sent so far.</summary>
    public TcpFlags TxFlagsSeen;

    public TcpFlags RxFlagsSeen;

    /// <summary>Frontend to show as the source of replies; 0 when the flow was not translated.</summary>
    public uint RevNat;

    /// <summary>Identity of the client, as of the flow's first packet.</summary>
    public uint SourceIdentity;

    /// <summary>Another for each entry that ever lay here, and never 0: who remembers it can tell whether this is still the same one.</summary>
    public uint Generation;
}
