using ClusterMesh.Datapath.Pipeline;
using ClusterMesh.Datapath.State;
using ClusterMesh.Datapath.State.Desired;
using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.Trace;

/// <summary>What addresses are called in this node's configuration.</summary>
internal sealed class MeshNames(StateWriter writer, LocalNodeSpec local)
{
    public StateWriter Writer => writer;

    public LocalNodeSpec Local => local;

    public EndpointSpec? PodAt(IpAddress address) => writer.Desired.Endpoints.Values.FirstOrDefault(e => e.Addresses.Contains(address));

    public bool IsOwn(IpAddress address) => local.Addresses.Any(a => a.Address == address) || local.RouterAddresses.Contains(address);

    /// <summary>The other node with this address of its own.</summary>
    public NodeSpec? NodeAt(IpAddress address) => writer.Desired.Nodes.Values.FirstOrDefault(n => n.Addresses.Contains(address));

    /// <summary>The other node whose pods have addresses like this one.</summary>
    public NodeSpec? NodeOfPod(IpAddress address) => writer.Desired.Nodes.Values.FirstOrDefault(n => n.PodCidrs.Any(c => c.Contains(address)));

    /// <summary>The service that has this backend; any of them.</summary>
    public (ServiceSpec Service, BackendSpec Backend)? BackendAt(IpAddress address)
    {
        foreach (ServiceSpec service in writer.Desired.Services.Values)
        {
            if (service.Backends.FirstOrDefault(b => b.Address == address) is { } backend)
            {
                return (service, backend);
            }
        }

        return null;
    }

    public ServiceSpec? ServiceOf(Frontend frontend) => writer.Desired.Services.Values.FirstOrDefault(s =>
        s.Backends.Count >= frontend.Backends.Length && writer.FrontendsOf(s.Name).Any(f => f.Id == frontend.Id || f.Internal?.Id == frontend.Id));

    /// <summary>pod default/webpod-1, node east/east-worker, this node; empty for a stranger.</summary>
    public string Of(IpAddress address) =>
        PodAt(address) is { } pod ? $"pod {pod.Name}"
        : IsOwn(address) ? "this node"
        : NodeAt(address) is { } node ? $"node {KeyOf(node)}"
        : BackendAt(address) is { } known && known.Backend.Cluster.Length > 0 ? $"a backend of {known.Service.Name} in cluster {known.Backend.Cluster}"
        : NodeOfPod(address) is { } home ? $"a pod of node {KeyOf(home)}"
        : "";

    /// <summary>The address, and in brackets what it is called.</summary>
    public string With(IpAddress address) => Of(address) is { Length: > 0 } name ? $"{address} ({name})" : address.ToString();

    /// <summary>reserved:host, or the number and the labels that are known of it.</summary>
    public string IdentityOf(uint identity) => NumericIdentity.NameOf(identity) is { } name ? $"reserved:{name}"
        : writer.Desired.Identities.TryGetValue(identity, out IdentitySpec? known) ? string.Create(System.Globalization.CultureInfo.InvariantCulture, $"{identity} ({string.Join(", ", known.Labels)})")
        : identity.ToString(System.Globalization.CultureInfo.InvariantCulture);

    public static string KeyOf(NodeSpec node) => DesiredState.NodeKey(node.Cluster, node.Name);

    /// <summary>10.1.1.2:80/TCP, cluster east.</summary>
    public static string Of(Backend backend, ServiceSpec? service, Frontend frontend)
    {
        string text = ServiceNames.Of(backend.Address, backend.Port, frontend.Protocol);
        BackendSpec? spec = service?.Backends.FirstOrDefault(b => b.Address == backend.Address && b.Port == backend.Port);
        return spec is null || spec.Cluster.Length == 0 ? text : $"{text} of cluster {spec.Cluster}{(spec.Node.Length == 0 ? "" : $", node {spec.Node}")}";
    }

    /// <summary>The longest prefix that contains the address.</summary>
    public (IpPrefix Prefix, RouteTarget Target)? RouteTo(IpAddress address)
    {
        (IpPrefix Prefix, RouteTarget Target)? best = null;
        foreach ((IpPrefix prefix, RouteTarget target) in writer.Routes())
        {
            if (prefix.IsIpv4 == address.IsIpv4 && prefix.Contains(address) && (best is null || prefix.Length > best.Value.Prefix.Length))
            {
                best = (prefix, target);
            }
        }

        return best;
    }

    /// <summary>The address is one that pods of the mesh have, as far as this configuration tells.</summary>
    public bool IsMeshPod(IpAddress address) => NodeOfPod(address) is not null || PodAt(address) is not null || BackendAt(address) is not null
        || local.NativeRoutingCidrs.Any(c => c.Contains(address)) || writer.Desired.Masquerade.NonMasqueradeCidrs.Any(c => c.FamilyLength > 0 && c.Contains(address) && !address.IsLinkLocal);
}
