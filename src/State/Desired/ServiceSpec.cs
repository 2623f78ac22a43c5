using ClusterMesh.Datapath.Pipeline;
using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.State.Desired;

/// <summary>One port of a service.</summary>
/// <param name="Frontends">Empty for a headless one.</param>
public sealed record ServiceSpec(string Name, IpProtocol Protocol, IReadOnlyList<FrontendSpec> Frontends, IReadOnlyList<BackendSpec> Backends, string Source)
{
    /// <summary>It is one of all clusters that have it (service.cilium.io/global).</summary>
    public bool IsGlobal { get; init; }

    /// <summary>Counts for a global service only.</summary>
    public ClusterAffinity Affinity { get; init; }

    /// <summary>With affinity for the own cluster: so many of its backends must be active, else others' are used beside them.</summary>
    public int LeastLocalBackends { get; init; } = 1;

    /// <summary>Null for the node's.</summary>
    public LoadBalancingAlgorithm? Algorithm { get; init; }

    /// <summary>Null for the node's.</summary>
    public ForwardingMode? Forwarding { get; init; }

    /// <summary>Seconds of silence after which a client's session is over; 0 for no session affinity.</summary>
    public uint AffinitySeconds { get; init; }

    /// <summary>externalTrafficPolicy: Local.</summary>
    public bool IsExternalLocal { get; init; }

    /// <summary>internalTrafficPolicy: Local.</summary>
    public bool IsInternalLocal { get; init; }

    /// <summary>loadBalancerSourceRanges; empty for anybody.</summary>
    public IReadOnlyList<IpPrefix> SourceRanges { get; init; } = [];

    /// <summary>The ranges say who may not.</summary>
    public bool DeniesSourceRanges { get; init; }

    /// <summary>Only frontends of this type are installed; null for all.</summary>
    public ServiceType? OnlyType { get; init; }

    /// <summary>Nodes that have the service; null for all.</summary>
    public LabelSelector? Nodes { get; init; }

    /// <summary>Prefers backends whose hints name the node's zone.</summary>
    public bool UsesTopology { get; init; }

    /// <summary>As they were given, by name.</summary>
    public IReadOnlyList<KeyValuePair<string, string>> Annotations { get; init; } = [];

    /// <summary>Cilium 1.17's mark in <c>service list --clustermesh-affinity</c>: it does not look at how many there are.</summary>
    /// <param name="localCluster">The node's.</param>
    public bool IsPreferred(BackendSpec backend, string localCluster) => IsGlobal && Affinity switch
    {
        ClusterAffinity.Local => backend.Cluster == localCluster,
        ClusterAffinity.Remote => backend.Cluster != localCluster,
        _ => false,
    };

    /// <summary>The frontends that this node installs, with each of their addresses.</summary>
    internal IEnumerable<(FrontendSpec Spec, IpAddress Address)> InstalledOn(LocalNodeSpec local)
    {
        bool isHere = Nodes is null || Nodes.Matches(local.Labels);
        for (int i = 0; isHere && i < Frontends.Count; i++)
        {
            FrontendSpec frontend = Frontends[i];
            if (OnlyType is not null && frontend.Type != OnlyType)
            {
                continue;
            }

            if (frontend.Address is { } own)
            {
                yield return (frontend, own);
                continue;
            }

            foreach (IpAddress address in FrontendSpec.AddressesOf(local))
            {
                yield return (frontend, address);
            }
        }
    }

    /// <summary>Clients in the cluster and clients outside get different backends there: exactly one of the two policies is Local.</summary>
    internal bool HasTwoScopes(ServiceType type) => IsExternalScope(type) && IsExternalLocal != IsInternalLocal;

    /// <summary>Only backends of this node count.</summary>
    /// <param name="isInternal">For clients in the cluster, where the frontend tells the two apart.</param>
    internal bool IsLocalOnly(ServiceType type, bool isInternal) => type switch
    {
        ServiceType.ClusterIP => IsInternalLocal,
        ServiceType.HostPort => false,
        _ => isInternal ? IsInternalLocal : IsExternalLocal,
    };

    private static bool IsExternalScope(ServiceType type) => type is ServiceType.NodePort or ServiceType.LoadBalancer or ServiceType.ExternalIPs;
}
