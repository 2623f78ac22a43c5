namespace ClusterMesh.Datapath.Observe.AgentApi;

/// <summary>What `cilium-dbg status` prints.</summary>
public sealed record AgentStatus
{
    /// <summary>Of the agent as a whole: `cilium-dbg status` ends with 0 when it is Ok or Disabled.</summary>
    public required ComponentStatus Cilium { get; init; }

    /// <summary>The cluster store.</summary>
    public ComponentStatus Kvstore { get; init; } = new("Disabled");

    /// <summary>There is none here.</summary>
    public ComponentStatus Kubernetes { get; init; } = new("Disabled");

    public ComponentStatus ContainerRuntime { get; init; } = new("Disabled");

    /// <summary>"IPv4: 3/254 allocated from 10.0.1.0/24, "</summary>
    public string AddressAllocation { get; init; } = "";

    /// <summary>Owner by address, for --verbose.</summary>
    public IReadOnlyDictionary<string, string> AllocatedAddresses { get; init; } = new Dictionary<string, string>();

    public IReadOnlyList<RemoteCluster> RemoteClusters { get; init; } = [];

    public int GlobalServiceCount { get; init; }

    /// <summary>Null when the node does not masquerade.</summary>
    public Masquerading? Masquerading { get; init; }

    /// <summary>The flow store; null when nothing is observed.</summary>
    public Store.FlowStoreStatus? Flows { get; init; }

    /// <summary>cluster/node.</summary>
    public string NodeName { get; init; } = "";
}
