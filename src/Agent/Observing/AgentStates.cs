using System.Globalization;
using ClusterMesh.Datapath.Control;
using ClusterMesh.Datapath.Control.Rows;
using ClusterMesh.Datapath.Mesh.Identities;
using ClusterMesh.Datapath.Mesh.Objects;
using ClusterMesh.Datapath.Mesh.Remote;
using ClusterMesh.Datapath.Mesh.Schema;
using ClusterMesh.Datapath.Observe.AgentApi;
using ClusterMesh.Datapath.Observe.Store;
using ClusterMesh.Datapath.Wire;
using RemoteCluster = ClusterMesh.Datapath.Observe.AgentApi.RemoteCluster;

namespace ClusterMesh.Datapath.Agent.Observing;

/// <summary>Makes what the agent's REST API answers, from the agent's own state and the forwarder's lists.</summary>
internal sealed class AgentStates(AgentRuntime agent, ObserveHost host)
{
    public AgentState Read()
    {
        StatusReport? forwarder = host.Figures.Status();
        List<EndpointRow> endpoints = host.Figures.List(ControlKinds.Endpoint);
        return new AgentState
        {
            Status = Status(forwarder, endpoints),
            Services = [.. host.Figures.List(ControlKinds.Service).OrderBy(s => s.Id).Select(ToService)],
            Nodes = [.. Nodes()],
            Endpoints = [.. endpoints.OrderBy(e => e.Id).Select(ToEndpoint)],
            Identities = [.. Identities()],
            Addresses = [.. Addresses()],
        };
    }

    /// <summary>A cluster as `cilium-dbg status` shows it.</summary>
    public static RemoteCluster ToCluster(RemoteStatus s) => new()
    {
        Name = s.Name,
        IsReady = s.IsReady,
        IsConnected = s.IsConnected,
        NodeCount = s.NodeCount,
        EndpointCount = s.EndpointCount,
        IdentityCount = s.IdentityCount,
        SharedServiceCount = s.ServiceCount,
        FailureCount = s.FailureCount,
        LastFailure = s.LastFailure,
        Status = s.IsConnected
            ? string.Create(CultureInfo.InvariantCulture, $"etcd: 1/1 connected, leases=0, lock leases=0, has-quorum=true: endpoint status checks are disabled, ID: {s.EtcdClusterId:x16}")
            : s.Problem ?? "Waiting for initial connection to be established",
        Configuration = new RemoteClusterConfiguration(
            true, s.Config is not null, (int)(s.Config?.Id ?? 0), s.Config?.Cached ?? false, s.Config?.SyncedCanaries ?? false, s.Config?.ServiceExportsEnabled),
        Synced = new RemoteClusterSync(s.NodesSynced, s.EndpointsSynced, s.IdentitiesSynced, s.ServicesSynced, null),
    };

    /// <summary>All identities with labels: the own cluster's, and those of the others.</summary>
    public IEnumerable<AgentIdentity> Identities()
    {
        for (uint reserved = 1; Observe.Names.ReservedIdentity.NameOf(reserved) is not null; reserved++)
        {
            yield return new AgentIdentity(reserved, Observe.Names.ReservedIdentity.LabelsOf(reserved));
        }

        IEnumerable<(uint Id, string[] Labels)> own = agent.IdentityNumbers.Select(i => (i.Value, i.Key.Split(';', StringSplitOptions.RemoveEmptyEntries)));
        IEnumerable<(uint Id, string[] Labels)> others = agent.Remotes.State.Current.Clusters.Values.SelectMany(c => c.Identities.Select(i => (i.Key, i.Value.Labels.ToArray())));
        foreach ((uint id, string[] labels) in own.Concat(others).OrderBy(i => i.Id))
        {
            yield return new AgentIdentity(id, labels);
        }
    }

    private static AgentService ToService(ServiceRow row)
    {
        (IpAddress address, ushort port, IpProtocol protocol) = Parse(row.Frontend);
        string[] name = row.Name.Split('/', 2);
        return new AgentService
        {
            Id = (int)row.Id,
            Address = address,
            Port = port,
            Protocol = protocol,
            Type = row.Type,
            Namespace = name.Length == 2 ? name[0] : "",
            Name = name[^1],
            Backends = [.. row.Backends.OrderBy(b => b.Slot).Select(b => ToBackend(b))],
        };
    }

    private static AgentBackend ToBackend(ServiceBackendRow row)
    {
        (IpAddress address, ushort port, IpProtocol protocol) = Parse(row.Backend);
        return new AgentBackend(address, port, protocol, row.State, row.Preferred);
    }

    /// <summary>10.2.33.10:80/TCP, [fd00::1]:80/TCP.</summary>
    private static (IpAddress Address, ushort Port, IpProtocol Protocol) Parse(string text)
    {
        int slash = text.LastIndexOf('/');
        int colon = text.LastIndexOf(':');
        IpProtocol protocol = text[(slash + 1)..] switch { "UDP" => IpProtocol.Udp, "SCTP" => IpProtocol.Sctp, _ => IpProtocol.Tcp };
        return (IpAddress.Parse(text[..colon].Trim('[', ']')), ushort.Parse(text.AsSpan((colon + 1)..slash), NumberStyles.None, CultureInfo.InvariantCulture), protocol);
    }

    private AgentStatus Status(StatusReport? forwarder, List<EndpointRow> endpoints)
    {
        string[] problems = [.. new[] { forwarder is null ? $"the forwarder does not answer: {agent.Forwarder.Problem}" : agent.Forwarder.Problem, host.Problem }.OfType<string>()];
        string cidr = agent.Settings.PodCidrs.FirstOrDefault(c => IpPrefix.Parse(c).IsIpv4) ?? "";
        bool masquerades = forwarder is not null && forwarder.Masquerading != "disabled";
        return new AgentStatus
        {
            Cilium = problems.Length == 0 ? new ComponentStatus("Ok", $"{Program.Version}") : new ComponentStatus("Warning", string.Join("; ", problems)),
            Kvstore = agent.Settings.EtcdConfig is null ? new ComponentStatus("Disabled") : new ComponentStatus(agent.Store.Health.IsConnected ? "Ok" : "Failure", agent.Store.Health.Text),
            AddressAllocation = cidr.Length == 0 ? "" : $"IPv4: {endpoints.Count} allocated from {cidr}, ",
            AllocatedAddresses = endpoints.SelectMany(e => e.Addresses.Select(a => (Address: a, e.Name))).ToDictionary(a => a.Address, a => a.Name),
            RemoteClusters = [.. agent.Remotes.Status.Select(ToCluster)],
            GlobalServiceCount = agent.GlobalServiceCount,
            Masquerading = masquerades
                ? new Masquerading(true, agent.Forwarder.Forwarder is { Masquerade: not null, Flows.EnableIpv6Masquerade: true }, true, agent.Forwarder.Forwarder?.Routing.Ipv4NativeRoutingCidr ?? "")
                : null,
            Flows = host.Store.Status,
            NodeName = $"{agent.Settings.Cluster}/{agent.Settings.Node}",
        };
    }

    private IEnumerable<AgentNode> Nodes()
    {
        foreach (NodeObject node in agent.Objects.Nodes.Values)
        {
            MeshNode record = new(node.Name, agent.Settings.Cluster, 0) { Addresses = node.Addresses };
            yield return ToNode(record, node.PodCidrs, node.Name == agent.Settings.Node ? "local" : "custom-resource");
        }

        foreach (MeshNode node in agent.Remotes.State.Current.Nodes.OrderBy(n => $"{n.Cluster}/{n.Name}", StringComparer.Ordinal))
        {
            yield return ToNode(node, [.. node.PodCidrs.Select(c => c.ToString())], "clustermesh");
        }
    }

    private static AgentNode ToNode(MeshNode node, IReadOnlyList<string> podCidrs, string source) => new(
        $"{node.Cluster}/{node.Name}", node.NodeIp(true)?.ToString(), podCidrs.FirstOrDefault(c => IpPrefix.Parse(c).IsIpv4),
        node.NodeIp(false)?.ToString(), podCidrs.FirstOrDefault(c => !IpPrefix.Parse(c).IsIpv4), source);

    private AgentEndpoint ToEndpoint(EndpointRow row)
    {
        string[] name = row.Name.Split('/', 2);
        PodObject? pod = agent.Objects.Pods.GetValueOrDefault(row.Name);
        IdentityLabels? labels = pod is null ? null : agent.LabelsOf(pod);
        uint identity = labels is null ? 0 : agent.IdentityNumbers.GetValueOrDefault(labels.Text);
        return new AgentEndpoint
        {
            Id = row.Id,
            Identity = new AgentIdentity(identity, labels is null ? [] : [.. labels.Labels]),
            Namespace = name.Length == 2 ? name[0] : "",
            Pod = name[^1],
            Ipv4 = row.Addresses.FirstOrDefault(a => IpAddress.Parse(a).IsIpv4),
            Ipv6 = row.Addresses.FirstOrDefault(a => !IpAddress.Parse(a).IsIpv4),
            Interface = row.Interface,
            InterfaceIndex = row.Id,
            Mac = row.Mac,
            State = row.State != "up" ? "disconnected" : identity == 0 ? "waiting-for-identity" : "ready",
        };
    }

    private IEnumerable<AgentAddress> Addresses()
    {
        string own = agent.Settings.Addresses is [var first, ..] ? first.Address : "";
        foreach (PodObject pod in agent.Objects.RunningPods())
        {
            uint identity = agent.IdentityNumbers.GetValueOrDefault(agent.LabelsOf(pod).Text);
            NodeObject? node = agent.Objects.Nodes.GetValueOrDefault(pod.NodeName);
            string hostAddress = pod.NodeName == agent.Settings.Node ? own : node?.Addresses is [var address, ..] ? address.Address : "";
            foreach (string ip in pod.Ips)
            {
                yield return new AgentAddress(IpPrefix.Host(IpAddress.Parse(ip)).ToString(), identity, "k8s", hostAddress, pod.Namespace, pod.Name);
            }
        }

        foreach (IpIdentity pair in agent.Remotes.State.Current.Ips.Select(p => p.AsRemote()))
        {
            yield return new AgentAddress(pair.Prefix.ToString(), pair.Identity, "kvstore", pair.HostIp?.ToString() ?? "", pair.Namespace, pair.PodName);
        }
    }
}
