using ClusterMesh.Datapath.Mesh.Objects;
using ClusterMesh.Datapath.Mesh.Remote;
using ClusterMesh.Datapath.Mesh.Schema;
using ClusterMesh.Datapath.Mesh.Services;
using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.Agent;

/// <summary>
/// Who is behind which address as far as the own cluster's objects and all nodes say it: API servers, pods and nodes, in this order of precedence.
/// Pods of other clusters are not here, since there may be hundreds of thousands. Computed anew when one of these changes.
/// </summary>
internal sealed class OwnIdentities(string cluster, Func<PodObject, IdentityLabels> labelsOf)
{
    private const string ApiServer = "kubernetes";

    private object[] _madeOf = [];
    private Dictionary<IpPrefix, IpcacheClaim> _claims = [];
    private Dictionary<uint, string> _labels = [];

    /// <param name="identities">By the text of their labels.</param>
    /// <returns>The same objects again while nothing has changed.</returns>
    public (Dictionary<IpPrefix, IpcacheClaim> Claims, IReadOnlyDictionary<uint, string> Labels) Of(
        LocalObjects objects, MeshView view, IReadOnlyDictionary<string, uint> identities)
    {
        object[] madeOf = [objects, identities, .. view.Clusters.Values.Select(c => c.Nodes)];
        if (!madeOf.SequenceEqual(_madeOf, ReferenceEqualityComparer.Instance))
        {
            _claims = Make(objects, view, identities);
            _labels = identities.ToDictionary(i => i.Value, i => i.Key);
            _madeOf = madeOf;
        }

        return (_claims, _labels);
    }

    private Dictionary<IpPrefix, IpcacheClaim> Make(LocalObjects objects, MeshView view, IReadOnlyDictionary<string, uint> identities)
    {
        Dictionary<IpPrefix, IpcacheClaim> claims = [];
        foreach (EndpointSliceObject slice in objects.EndpointSlices.Values.Where(s => s.Namespace == "default" && s.Service == ApiServer))
        {
            Add(claims, slice.Endpoints.SelectMany(e => e.Addresses), new IpcacheClaim(NumericIdentity.KubeApiServer, null, 0, cluster, "kube-apiserver"));
        }

        Dictionary<string, MeshNode> nodes = objects.Nodes.Values.ToDictionary(n => n.Name, n => new MeshNode(n.Name, cluster, 0) { Addresses = n.Addresses });
        foreach (PodObject pod in objects.RunningPods())
        {
            if (identities.TryGetValue(labelsOf(pod).Text, out uint identity))
            {
                MeshNode? home = nodes.GetValueOrDefault(pod.NodeName);
                Add(claims, pod.Ips, new IpcacheClaim(identity, home?.NodeIp(true) ?? home?.NodeIp(false), 0, cluster, "custom-resource"));
            }
        }

        foreach (MeshNode node in nodes.Values)
        {
            AddNode(claims, node, "custom-resource");
        }

        foreach (MeshNode node in view.Nodes)
        {
            AddNode(claims, node, "kvstore");
        }

        return claims;
    }

    private static void AddNode(Dictionary<IpPrefix, IpcacheClaim> claims, MeshNode node, string origin)
    {
        IpAddress? home = node.NodeIp(true) ?? node.NodeIp(false);
        Add(claims, node.Addresses.Where(a => a.Type is NodeAddress.InternalIp or NodeAddress.ExternalIp or NodeAddress.CiliumInternalIp).Select(a => a.Address),
            new IpcacheClaim(NumericIdentity.RemoteNode, home, 0, node.Cluster, origin));
        Add(claims, [node.Ipv4HealthIp, node.Ipv6HealthIp], new IpcacheClaim(NumericIdentity.Health, home, 0, node.Cluster, origin));
        Add(claims, [node.Ipv4IngressIp, node.Ipv6IngressIp], new IpcacheClaim(NumericIdentity.Ingress, home, 0, node.Cluster, origin));
    }

    private static void Add(Dictionary<IpPrefix, IpcacheClaim> claims, IEnumerable<string> addresses, IpcacheClaim claim)
    {
        foreach (string text in addresses)
        {
            if (IpAddress.TryParse(text, out IpAddress address))
            {
                // A tunnel to itself would lead nowhere: a node's address is reached by its route.
                claims.TryAdd(IpPrefix.Host(address), claim.Endpoint == address ? claim with { Endpoint = null } : claim);
            }
        }
    }
}
