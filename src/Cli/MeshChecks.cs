using ClusterMesh.Datapath.Control;
using ClusterMesh.Datapath.Control.Agent;
using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.Cli;

/// <summary>Whether two clusters can be joined, before anything is changed on either side: Cilium's refusals, and those that it leaves to the user.</summary>
internal static class MeshChecks
{
    private const string DefaultName = "default";

    /// <returns>Warnings to print.</returns>
    /// <exception cref="ControlException">They cannot, with the reason.</exception>
    public static IEnumerable<string> Check(AccessDocument local, AccessDocument remote)
    {
        string? refusal =
            remote.Cluster is "" or DefaultName || remote.ClusterId == 0 ? $"remote cluster has non-unique name ({remote.Cluster}) and/or ID ({remote.ClusterId})"
            : local.Cluster is "" or DefaultName || local.ClusterId == 0 ? $"local cluster has the default name (cluster name: {local.Cluster}) and/or ID 0 (cluster ID: {local.ClusterId})"
            : remote.ClusterId < 1 || remote.ClusterId > local.MaxConnectedClusters ? $"remote cluster has cluster ID {remote.ClusterId} out of acceptable range (1-{local.MaxConnectedClusters})"
            : remote.MaxConnectedClusters != local.MaxConnectedClusters ? $"remote and local clusters have different max connected clusters: {remote.MaxConnectedClusters} != {local.MaxConnectedClusters}"
            : remote.Cluster == local.Cluster ? $"remote and local cluster have the same, non-unique name: {remote.Cluster}"
            : remote.ClusterId == local.ClusterId ? $"remote and local cluster have the same, non-unique ID: {remote.ClusterId}"
            : remote.RoutingMode != local.RoutingMode ? $"remote and local clusters have different datapath modes: {remote.RoutingMode} != {local.RoutingMode}; both must be native or both vxlan"
            : Overlap(local, remote);
        if (refusal is not null)
        {
            throw new ControlException(ErrorCode.InvalidConfiguration, refusal);
        }

        return local.CaCertificate.Trim() == remote.CaCertificate.Trim()
            ? []
            : ["⚠️ Cilium CA certificates do not match between clusters. Multicluster features will be limited!"];
    }

    private static string? Overlap(AccessDocument local, AccessDocument remote)
    {
        foreach (string ours in local.PodCidrs)
        {
            foreach (string theirs in remote.PodCidrs)
            {
                if (IpPrefix.TryParse(ours, out IpPrefix left) && IpPrefix.TryParse(theirs, out IpPrefix right) && left.Overlaps(right))
                {
                    return $"pod CIDR {ours} of cluster {local.Cluster} overlaps {theirs} of cluster {remote.Cluster}; clusters of a mesh need ranges of their own";
                }
            }
        }

        return null;
    }
}
