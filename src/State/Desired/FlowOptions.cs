using ClusterMesh.Datapath.Pipeline;

namespace ClusterMesh.Datapath.State.Desired;

/// <summary>How the node treats flows, where Cilium has an option. Fixed for the life of the process.</summary>
public sealed record FlowOptions
{
    /// <summary>Cilium's service-no-backend-response: reject by ICMP, else drop in silence.</summary>
    public bool RefusesNoBackend { get; init; } = true;

    /// <summary>File of ip-masq-agent, which then says alone what is exempt from masquerading; null for none.</summary>
    public string? IpMasqAgentConfigPath { get; init; }

    /// <summary>Cilium's enable-remote-node-masquerade: pods reach other nodes' addresses under the node's.</summary>
    public bool MasqueradesRemoteNodes { get; init; }

    /// <summary>Pods' IPv6 packets are masqueraded where IPv4's are; else the networks that they reach must route the pods' addresses.</summary>
    public bool MasqueradesIpv6 { get; init; } = true;

    public FragmentMode Fragments { get; init; } = FragmentMode.Follow;

    /// <summary>What each source of flows may have.</summary>
    public SourceLimitRules SourceLimits { get; init; } = SourceLimitRules.None;

    /// <summary>New flows a second of each port and worker that pass, however many more frames come than the worker can take; 0 gives up none.</summary>
    public int NewFlowsUnderLoad { get; init; } = 10_000;
}
