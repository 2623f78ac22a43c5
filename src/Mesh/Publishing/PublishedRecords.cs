using ClusterMesh.Datapath.Mesh.Objects;
using ClusterMesh.Datapath.Mesh.Schema;
using ClusterMesh.Datapath.Mesh.Services;
using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.Mesh.Publishing;

/// <summary>What a cluster tells the others: its objects as keys and values of the mesh. Pure.</summary>
public static class PublishedRecords
{
    /// <param name="identities">By the text of their labels; a pod whose identity is not there yet is left out.</param>
    /// <param name="labelsOf">The labels that make a pod's identity.</param>
    public static SortedDictionary<string, byte[]> Of(
        LocalObjects objects, string cluster, uint clusterId, IReadOnlyDictionary<string, uint> identities, Func<PodObject, IdentityLabels> labelsOf)
    {
        SortedDictionary<string, byte[]> records = new(StringComparer.Ordinal);
        Dictionary<string, IpAddress> hosts = [];
        foreach (NodeObject node in objects.Nodes.Values)
        {
            MeshNode record = NodeOf(node, cluster, clusterId);
            records[MeshKeys.Node(cluster, node.Name)] = record.Write();
            if ((record.NodeIp(true) ?? record.NodeIp(false)) is IpAddress host)
            {
                hosts[node.Name] = host;
            }
        }

        foreach (PodObject pod in objects.RunningPods())
        {
            IdentityLabels labels = labelsOf(pod);
            if (!identities.TryGetValue(labels.Text, out uint identity))
            {
                continue;
            }

            records[MeshKeys.Identity(identity)] = labels.Write();
            foreach (IpIdentity pair in PairsOf(pod, hosts, identity))
            {
                records[MeshKeys.Ip(pair.PrefixText)] = pair.Write();
            }
        }

        foreach (ServiceObject service in objects.Services.Values.Where(s => GlobalSettings.Of(s.Annotations).IsShared))
        {
            records[MeshKeys.Service(cluster, service.Namespace, service.Name)] = ServiceOf(service, objects, cluster, clusterId).Write();
        }

        return records;
    }

    private static MeshNode NodeOf(NodeObject node, string cluster, uint clusterId)
    {
        List<IpPrefix> cidrs = [.. node.PodCidrs.Select(text => IpPrefix.TryParse(text, out IpPrefix cidr) ? cidr : default(IpPrefix?)).OfType<IpPrefix>()];
        IpPrefix[] ipv4 = [.. cidrs.Where(c => c.IsIpv4)];
        IpPrefix[] ipv6 = [.. cidrs.Where(c => !c.IsIpv4)];
        return new MeshNode(node.Name, cluster, clusterId)
        {
            Addresses = node.Addresses,
            Ipv4AllocCidr = ipv4.Length > 0 ? ipv4[0] : null,
            Ipv4SecondaryAllocCidrs = [.. ipv4.Skip(1)],
            Ipv6AllocCidr = ipv6.Length > 0 ? ipv6[0] : null,
            Ipv6SecondaryAllocCidrs = [.. ipv6.Skip(1)],
            Ipv4HealthIp = IpAddress.TryParse(node.HealthAddress, out IpAddress health) && health.IsIpv4 ? node.HealthAddress : "",
            Ipv6HealthIp = IpAddress.TryParse(node.HealthAddress, out health) && !health.IsIpv4 ? node.HealthAddress : "",
            Labels = node.Labels,
            BootId = node.BootId,
        };
    }

    private static IEnumerable<IpIdentity> PairsOf(PodObject pod, Dictionary<string, IpAddress> hosts, uint identity)
    {
        foreach (string text in pod.Ips)
        {
            if (IpAddress.TryParse(text, out IpAddress address))
            {
                yield return new IpIdentity(IpPrefix.Host(address), true, hosts.TryGetValue(pod.NodeName, out IpAddress host) ? host : null, identity)
                {
                    Namespace = pod.Namespace,
                    PodName = pod.Name,
                    ServiceAccount = pod.ServiceAccount,
                    NamedPorts = [.. from port in pod.Ports
                                     where port.Name.Length > 0 && ServicePort.TryParseProtocol(port.Protocol, out _)
                                     select new NamedPort(port.Name, (ushort)port.Port, ProtocolOf(port.Protocol))],
                };
            }
        }
    }

    private static ClusterService ServiceOf(ServiceObject service, LocalObjects objects, string cluster, uint clusterId)
    {
        ServiceBackend[] ready = [.. LocalBackends.Of(service, objects).Where(b => b.State == BackendState.Active)];
        return new ClusterService(
            cluster, service.Namespace, service.Name, clusterId,
            [.. from text in service.ClusterIps
                let address = IpAddress.TryParse(text, out IpAddress parsed) ? parsed : default(IpAddress?)
                where address is not null
                from port in service.Ports
                where ServicePort.TryParseProtocol(port.Protocol, out _)
                select new ServicePort(address.Value, port.Name, ProtocolOf(port.Protocol), (ushort)port.Port)],
            [.. ready.Select(b => new ServicePort(b.Address, b.PortName, b.Protocol, b.Port))],
            ready.Where(b => b.Hostname.Length > 0).DistinctBy(b => b.Address).ToDictionary(b => b.Address.ToString(), b => b.Hostname),
            ready.Where(b => b.Zone.Length > 0).DistinctBy(b => b.Address).ToDictionary(b => b.Address.ToString(), b => new ServiceZone(b.Zone, b.ForZones)),
            service.Labels, service.Selector, true, true);
    }

    private static IpProtocol ProtocolOf(string text)
    {
        _ = ServicePort.TryParseProtocol(text, out IpProtocol protocol);
        return protocol;
    }
}
