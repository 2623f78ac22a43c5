using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.State.Desired;

/// <summary>Another node as it is known.</summary>
public sealed record NodeSpec(string Name, string Cluster, IReadOnlyList<IpAddress> Addresses, IReadOnlyList<IpPrefix> PodCidrs, string Source)
{
    /// <summary>Of its cluster; 0 when it was not said.</summary>
    public int ClusterId { get; init; }

    /// <summary>Where inner frames for it go that come by a tunnel; unset for the one that follows from its address.</summary>
    public MacAddress TunnelMac { get; init; }
}
