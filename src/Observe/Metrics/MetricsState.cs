using ClusterMesh.Datapath.Observe.AgentApi;
using ClusterMesh.Datapath.Observe.Store;

namespace ClusterMesh.Datapath.Observe.Metrics;

/// <summary>What the agent and its forwarder have counted, at one moment. What is unknown is left empty and is not shown.</summary>
public sealed record MetricsState
{
    public IReadOnlyList<TrafficCount> Forwarded { get; init; } = [];

    public IReadOnlyList<TrafficCount> Dropped { get; init; } = [];

    public ConntrackSweeps? Conntrack { get; init; }

    public IReadOnlyList<TableFill> Tables { get; init; } = [];

    /// <summary>SNAT mappings to the remote address and port that has most of them.</summary>
    public ulong? MostNatMappings { get; init; }

    public IReadOnlyList<RemoteCluster> RemoteClusters { get; init; } = [];

    /// <summary>By cluster: how often its cached state was given up.</summary>
    public IReadOnlyDictionary<string, ulong> CacheRevocations { get; init; } = new Dictionary<string, ulong>();

    public IReadOnlyList<StoreSync> Stores { get; init; } = [];

    /// <summary>By action: add, update, delete.</summary>
    public IReadOnlyDictionary<string, ulong> ServiceEvents { get; init; } = new Dictionary<string, ulong>();

    /// <summary>By type: cluster_local, node_local, remote_node, reserved.</summary>
    public IReadOnlyDictionary<string, ulong> Identities { get; init; } = new Dictionary<string, ulong>();

    /// <summary>By worker: share of the time since the last question in which it was not waiting, 0 to 1.</summary>
    public IReadOnlyDictionary<string, double> WorkerBusyShares { get; init; } = new Dictionary<string, double>();

    /// <summary>How often each worker was stuck since the forwarder's start.</summary>
    public IReadOnlyDictionary<string, ulong> WorkerStuckCounts { get; init; } = new Dictionary<string, ulong>();

    /// <summary>Time of packets within the forwarder, by sampling.</summary>
    public TimeHistogram? ProcessingTime { get; init; }

    /// <summary>Of the agent and, while it answers, of its forwarder.</summary>
    public IReadOnlyList<ProcessMemory> Processes { get; init; } = [];

    public FlowStoreStatus? Flows { get; init; }

    public FlowCounters? FlowCounters { get; init; }
}
