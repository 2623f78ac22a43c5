namespace ClusterMesh.Datapath.State.Desired;

/// <summary>Which cluster's backends a global service prefers, while any of them is active (service.cilium.io/affinity).</summary>
public enum ClusterAffinity
{
    None,
    Local,
    Remote,
}
