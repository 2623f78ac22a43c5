namespace ClusterMesh.Datapath.State.Desired;

/// <summary>How the node takes policies, where Cilium has an option. Fixed for the life of the process.</summary>
public sealed record PolicyOptions
{
    /// <summary>Cilium's policy-audit-mode: what would be denied passes and is told.</summary>
    public bool IsAudit { get; init; }

    public PolicyEnforcement Enforcement { get; init; } = PolicyEnforcement.Default;

    /// <summary>Cilium's allow-localhost: the node itself reaches its pods (its kubelet probes them) unless a rule denies it.</summary>
    public bool AllowsLocalhost { get; init; } = true;

    /// <summary>Cilium's enable-host-firewall: policies with a node selector hold for the node's own stack.</summary>
    public bool HasHostFirewall { get; init; }

    /// <summary>Cilium's policy-deny-response: icmp, where a pod's own policy forbids a packet; else nobody hears anything.</summary>
    public bool RefusesDenied { get; init; }
}
