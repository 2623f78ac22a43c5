using ClusterMesh.Datapath.Mesh.Identities;
using ClusterMesh.Datapath.Mesh.Objects;
using ClusterMesh.Datapath.Mesh.Remote;
using ClusterMesh.Datapath.Mesh.Schema;
using ClusterMesh.Datapath.Observe.Names;
using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.Agent.Observing;

/// <summary>
/// Who has which address, from what the agent knows of its own cluster and of the others. Asked again and again: what has not changed of a
/// cluster is taken over from the answer before, object for object.
/// </summary>
internal sealed class MeshNames(string cluster, string node)
{
    private readonly Dictionary<string, (ClusterView View, Dictionary<IpPrefix, EndpointName> Names)> _remote = [];
    private (LocalObjects Objects, IReadOnlyDictionary<string, uint> Identities, Dictionary<IpPrefix, EndpointName> Names)? _local;

    /// <param name="identities">Numbers of the own cluster's identities, by the labels' text.</param>
    /// <returns>The own cluster first: of two that claim one address the first counts.</returns>
    public IEnumerable<Dictionary<IpPrefix, EndpointName>> Of(LocalObjects objects, IReadOnlyDictionary<string, uint> identities, MeshView view)
    {
        if (_local is not { } local || !ReferenceEquals(local.Objects, objects) || !ReferenceEquals(local.Identities, identities))
        {
            _local = local = (objects, identities, OfLocal(objects, identities));
        }

        foreach (string gone in _remote.Keys.Where(name => !view.Clusters.ContainsKey(name)).ToArray())
        {
            _remote.Remove(gone);
        }

        foreach (ClusterView other in view.Clusters.Values)
        {
            if (!_remote.TryGetValue(other.Name, out (ClusterView View, Dictionary<IpPrefix, EndpointName> Names) known) || !ReferenceEquals(known.View, other))
            {
                _remote[other.Name] = (other, OfRemote(other));
            }
        }

        return view.Clusters.Keys.Select(name => _remote[name].Names).Prepend(local.Names);
    }

    private static Dictionary<IpPrefix, EndpointName> OfRemote(ClusterView view)
    {
        Dictionary<IpPrefix, EndpointName> names = [];
        foreach (MeshNode other in view.Nodes.Values)
        {
            AddNode(names, other.Addresses, new EndpointName { Identity = Mesh.Schema.ReservedIdentity.RemoteNode, Cluster = view.Name });
        }

        Dictionary<uint, string[]> labels = view.Identities.ToDictionary(i => i.Key, i => i.Value.Labels.ToArray());
        foreach (IpIdentity pair in view.Ips.Values)
        {
            uint identity = pair.AsRemote().Identity;
            names[pair.Prefix] = new EndpointName
            {
                Identity = identity,
                Cluster = view.Name,
                Namespace = pair.Namespace,
                Pod = pair.PodName,
                Labels = labels.GetValueOrDefault(identity) ?? [],
            };
        }

        return names;
    }

    private static void AddNode(Dictionary<IpPrefix, EndpointName> names, IEnumerable<NodeAddress> addresses, EndpointName name)
    {
        foreach (NodeAddress each in addresses)
        {
            if (IpAddress.TryParse(each.Address, out IpAddress address))
            {
                names[IpPrefix.Host(address)] = name;
            }
        }
    }

    private Dictionary<IpPrefix, EndpointName> OfLocal(LocalObjects objects, IReadOnlyDictionary<string, uint> identities)
    {
        Dictionary<IpPrefix, EndpointName> names = [];
        foreach (NodeObject other in objects.Nodes.Values)
        {
            uint identity = other.Name == node ? Mesh.Schema.ReservedIdentity.Host : Mesh.Schema.ReservedIdentity.RemoteNode;
            AddNode(names, other.Addresses, new EndpointName { Identity = identity, Cluster = cluster });
        }

        foreach (PodObject pod in objects.RunningPods())
        {
            IdentityLabels labels = PodLabels.Of(pod, cluster, objects);
            EndpointName name = new()
            {
                Identity = identities.GetValueOrDefault(labels.Text),
                Cluster = cluster,
                Namespace = pod.Namespace,
                Pod = pod.Name,
                Labels = [.. labels.Labels],
                Workloads = [.. objects.Deployments.Values
                    .Where(d => d.Namespace == pod.Namespace && d.Selector.Count > 0 && LocalObjects.Matches(d.Selector, pod.Labels))
                    .Select(d => new WorkloadName(d.Name, "Deployment"))],
            };
            foreach (string ip in pod.Ips)
            {
                if (IpAddress.TryParse(ip, out IpAddress address))
                {
                    names[IpPrefix.Host(address)] = name;
                }
            }
        }

        return names;
    }
}
