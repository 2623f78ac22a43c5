using ClusterMesh.Datapath.Pipeline;

namespace ClusterMesh.Datapath.State.Desired;

/// <summary>How the node treats flows, where Cilium has an option. Fixed for the life of the process.</summary>
public sealed record FlowOptions
{
    /// <summary>Cilium's service-no-backend-response: reject by ICMP, else drop in silence.</summary>
    public bool RefusesNoBackend { get; init; } = true;

    public FragmentMode Fragments { get; init; } = FragmentMode.Follow;
}
