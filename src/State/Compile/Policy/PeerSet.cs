using ClusterMesh.Datapath.State.Desired;

namespace ClusterMesh.Datapath.State.Compile.Policy;

/// <summary>The identities that a peer of a rule means now. One for all rules that say the same.</summary>
internal sealed class PeerSet(PolicyPeerSpec spec)
{
    public PolicyPeerSpec Spec => spec;

    public HashSet<uint> Members { get; } = [];

    /// <summary>Rules that have it.</summary>
    public int UseCount { get; set; }
}
