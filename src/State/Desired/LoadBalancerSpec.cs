using ClusterMesh.Datapath.Pipeline;
using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.State.Desired;

/// <summary>What holds for all services of the node for the life of the process; the defaults are Cilium's.</summary>
public sealed record LoadBalancerSpec
{
    /// <summary>Entries of a Maglev table (Cilium's maglev.tableSize): a prime, some hundred times the backends of the largest service.</summary>
    public const int DefaultMaglevTableSize = 16381;

    public static LoadBalancerSpec Default { get; } = new();

    /// <summary>The sizes that Cilium offers.</summary>
    public static IReadOnlyList<int> MaglevTableSizes { get; } = [251, 509, 1021, 2039, 4093, 8191, DefaultMaglevTableSize, 32749, 65521, 131071];

    public LoadBalancingAlgorithm Algorithm { get; init; }

    public int MaglevTableSize { get; init; } = DefaultMaglevTableSize;

    public MaglevSeed MaglevSeed { get; init; } = MaglevSeed.Default;

    /// <summary>The node network may ask for ClusterIPs (bpf.lbExternalClusterIP).</summary>
    public bool IsClusterIpExternal { get; init; }

    /// <summary>Source ranges hold for every type of frontend, not for LoadBalancer alone (bpf.lbSourceRangeAllTypes).</summary>
    public bool HasSourceRangesOnAllTypes { get; init; }

    /// <summary>Topology hints count (loadBalancer.serviceTopology).</summary>
    public bool HasServiceTopology { get; init; }

    /// <summary>How flows from the node network reach backends on other nodes (loadBalancer.mode).</summary>
    public ForwardingMode Forwarding { get; init; }

    /// <summary>What a pod that reaches itself through a service sees as its peer.</summary>
    public IpAddress LoopbackIpv4 { get; init; } = ServiceOptions.Default.LoopbackIpv4;
}
