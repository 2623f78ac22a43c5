using System.Globalization;
using ClusterMesh.Datapath.Pipeline;
using ClusterMesh.Datapath.State.Desired;
using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.Trace;

/// <summary>Which route a packet took, or which one is missing.</summary>
internal sealed class RouteWords(MeshNames names)
{
    private readonly List<string> _remarks = [];

    public IReadOnlyList<string> Remarks => _remarks;

    public (string Lookup, string Result) Of(StageFacts facts, in PacketContext p, Verdict v)
    {
        IpAddress destination = facts.Key.Destination;
        string lookup = $"longest prefix of {names.With(destination)}";
        (IpPrefix Prefix, RouteTarget Target)? route = names.RouteTo(destination);
        string prefix = route is { } found ? found.Prefix.ToString() : "no prefix";
        if (v == Verdict.Drop)
        {
            return (lookup, $"{prefix}: {StageWords.Dropped(p)}");
        }

        string hop = p.Route.NextHop == default ? "" : $" by {names.With(p.Route.NextHop)}";
        if (p.Route.Kind == RouteKind.Gateway && route is { Prefix.FamilyLength: 0 } && !p.IsReply && names.IsMeshPod(destination))
        {
            _remarks.Add(
                $"no route to {destination} but the default one, though it is an address of the mesh's pods: no node with a pod CIDR around it is known here, so the gateway gets the packet. "
                + "Add its node (cmesh apply, nodes[].podCIDRs), or connect the cluster (cmesh clustermesh status).");
        }

        return (lookup, p.Route.Kind switch
        {
            RouteKind.Endpoint => $"{prefix}: pod {names.PodAt(destination)?.Name ?? ""} of this node",
            RouteKind.Host => $"{prefix}: the node's own stack",
            RouteKind.Node => $"{prefix}: pods of node {(names.NodeAt(p.Route.NextHop) is { } node ? MeshNames.KeyOf(node) : "?")},{hop}",
            RouteKind.Gateway => $"{prefix}: gateway{hop}",
            _ => string.Create(CultureInfo.InvariantCulture, $"{prefix}: a neighbour on the node network"),
        });
    }

    /// <summary>Why there is no way to a destination.</summary>
    public static (string Cause, string Advice) Missing(MeshNames names, IpAddress destination, DropReason reason)
    {
        if (reason == DropReason.Unroutable)
        {
            IpPrefix own = names.Local.PodCidrs.FirstOrDefault(c => c.Contains(destination));
            NodeSpec? other = names.Writer.Desired.Nodes.Values.FirstOrDefault(n => n.PodCidrs.Any(c => c.Overlaps(own)));
            return other is null
                ? ($"{destination} lies in this node's pod CIDR {own}, but no pod here has that address",
                    "The pod is gone or was never added (cmesh endpoint list); if it is one of another cluster, the two clusters' pod CIDRs overlap and one must change.")
                : ($"{destination} lies in this node's pod CIDR {own}, which overlaps the pod CIDR of node {MeshNames.KeyOf(other)}",
                    "Give the clusters pod CIDRs of their own.");
        }

        if (reason == DropReason.UnknownTarget)
        {
            return ($"{destination} names no host that can be routed to (multicast, broadcast, loopback, link-local or unspecified)", "Ask for another address.");
        }

        return names.IsMeshPod(destination)
            ? ($"no route contains {destination}, an address of the mesh's pods: no node with a pod CIDR around it is known here",
                "Add its node (cmesh apply, nodes[].podCIDRs), or connect the cluster (cmesh clustermesh status).")
            : ($"no route contains {destination}, and the node has no default gateway for {(destination.IsIpv4 ? "IPv4" : "IPv6")}",
                "Add a route (cmesh apply, routes) or uplink.gateways in the node file.");
    }
}
