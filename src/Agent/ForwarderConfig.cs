using System.Runtime.CompilerServices;
using ClusterMesh.Datapath.Control.Documents;
using ClusterMesh.Datapath.Mesh.Objects;
using ClusterMesh.Datapath.Mesh.Remote;
using ClusterMesh.Datapath.Mesh.Schema;
using ClusterMesh.Datapath.Mesh.Services;
using ClusterMesh.Datapath.State;
using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.Agent;

/// <summary>
/// The own cluster's objects and the view of all others -> what the node's forwarder shall do. Pure. Other clusters' records are checked
/// against each other here, since the forwarder refuses a contradiction whole: of two that claim one range, the own cluster's counts, then
/// the first by name.
/// </summary>
internal sealed class ForwarderConfig
{
    private const string MasqueradeMap = "kube-system/ip-masq-agent";

    /// <summary>What a node's record has become, as long as the record lives: thousands of nodes stay as they are from change to change.</summary>
    private static readonly ConditionalWeakTable<MeshNode, object> s_known = [];

    private readonly string _cluster;
    private readonly int _clusterId;
    private readonly string _node;
    private readonly LocalObjects _objects;
    private readonly MeshView _view;
    private readonly List<string> _warnings = [];

    private ForwarderConfig(string cluster, int clusterId, string node, LocalObjects objects, MeshView view) =>
        (_cluster, _clusterId, _node, _objects, _view) = (cluster, clusterId, node, objects, view);

    /// <param name="restored">What the forwarder had when the agent found it; null when that is unknown.</param>
    /// <param name="isSyncing">Whether a cluster has not been listed in full yet: what the forwarder has of it stays.</param>
    /// <param name="memo">Nodes of the last call, kept between calls.</param>
    /// <param name="warnings">One sentence each for what is left out.</param>
    public static ChangeDocument Make(
        string cluster, int clusterId, string node, LocalObjects objects, MeshView view, NodeDocument? restored, Func<string, bool> isSyncing, NodeMemo memo,
        out IReadOnlyList<string> warnings)
    {
        ForwarderConfig config = new(cluster, clusterId, node, objects, view);
        (IReadOnlyList<RemoteNodeDocument> nodes, IReadOnlyList<string> said) = memo.Get(objects, view, restored, isSyncing, () =>
        {
            ForwarderConfig fresh = new(cluster, clusterId, node, objects, view);
            return (fresh.Nodes(restored, isSyncing), fresh._warnings);
        });
        config._warnings.AddRange(said);
        ChangeDocument document = new()
        {
            Nodes = nodes,
            Services = config.Services(restored, isSyncing),
            Masquerade = config.Masquerade(),
        };
        warnings = config._warnings;
        return document;
    }

    private List<RemoteNodeDocument> Nodes(NodeDocument? restored, Func<string, bool> isSyncing)
    {
        List<RemoteNodeDocument> nodes = [];
        PrefixClaims taken = new();
        foreach (NodeObject node in _objects.Nodes.Values)
        {
            IpPrefix[] cidrs = [.. node.PodCidrs.Select(c => IpPrefix.TryParse(c, out IpPrefix cidr) ? cidr : default(IpPrefix?)).OfType<IpPrefix>()];
            if (node.Name == _node)
            {
                Claim(taken, cidrs, $"{_cluster}/{node.Name}");
            }
            else
            {
                MeshNode record = new(node.Name, _cluster, (uint)_clusterId) { Addresses = node.Addresses };
                Add(nodes, taken, record, [record.NodeIp(true), record.NodeIp(false)], cidrs);
            }
        }

        foreach (RemoteNodeDocument kept in restored?.Nodes ?? [])
        {
            if (kept.Cluster is string other && other != _cluster && isSyncing(other))
            {
                nodes.Add(kept);
                Claim(taken, kept.PodCidrs.Select(IpPrefix.Parse), $"{other}/{kept.Name}");
            }
        }

        HashSet<(string, string)> present = [.. nodes.Select(n => (n.Cluster ?? "", n.Name))];
        foreach (MeshNode node in _view.Clusters.Values.SelectMany(c => c.Nodes.Values.OrderBy(n => n.Name, StringComparer.Ordinal)))
        {
            if (!present.Contains((node.Cluster, node.Name)) && !AddKnown(nodes, taken, node))
            {
                int before = nodes.Count;
                IpPrefix[] cidrs = [.. node.PodCidrs];
                Add(nodes, taken, node, [node.NodeIp(true), node.NodeIp(false)], cidrs);
                if (nodes.Count > before && nodes[^1].PodCidrs.Count == cidrs.Length)
                {
                    s_known.AddOrUpdate(node, (nodes[^1], cidrs));
                }
            }
        }

        return nodes;
    }

    /// <summary>A node that was taken whole before is taken again as it is, unless somebody else has claimed its ranges meanwhile.</summary>
    private static bool AddKnown(List<RemoteNodeDocument> nodes, PrefixClaims taken, MeshNode node)
    {
        if (!s_known.TryGetValue(node, out object? found))
        {
            return false;
        }

        (RemoteNodeDocument document, IpPrefix[] cidrs) = ((RemoteNodeDocument, IpPrefix[]))found;
        if (cidrs.Any(c => taken.FindOverlap(c) is not null))
        {
            return false;
        }

        Claim(taken, cidrs, $"{node.Cluster}/{node.Name}");
        nodes.Add(document);
        return true;
    }

    private static void Claim(PrefixClaims taken, IEnumerable<IpPrefix> cidrs, string owner)
    {
        foreach (IpPrefix cidr in cidrs)
        {
            taken.Add(cidr, owner);
        }
    }

    private void Add(List<RemoteNodeDocument> nodes, PrefixClaims taken, MeshNode node, IpAddress?[] addresses, IpPrefix[] cidrs)
    {
        string owner = $"{node.Cluster}/{node.Name}";
        IpAddress[] known = [.. addresses.OfType<IpAddress>()];
        List<string> free = [];
        foreach (IpPrefix cidr in cidrs)
        {
            if (taken.FindOverlap(cidr) is string other)
            {
                _warnings.Add($"pod CIDR {cidr} of {owner} overlaps one of {other} and is left out; give each node a range of its own");
            }
            else if (!known.Any(a => a.IsIpv4 == cidr.IsIpv4))
            {
                _warnings.Add($"pod CIDR {cidr} of {owner} is left out: the node has no InternalIP or ExternalIP of that family");
            }
            else
            {
                taken.Add(cidr, owner);
                free.Add(cidr.ToString());
            }
        }

        if (known.Length > 0)
        {
            // By the id the forwarder knows whose identities a tunnel from there may carry.
            nodes.Add(new RemoteNodeDocument
            {
                Name = node.Name,
                Cluster = node.Cluster,
                ClusterId = (int)node.ClusterId,
                Addresses = [.. known.Select(a => a.ToString())],
                PodCidrs = free,
            });
        }
        else
        {
            _warnings.Add($"node {owner} has no InternalIP or ExternalIP and is left out");
        }
    }

    private List<ServiceDocument> Services(NodeDocument? restored, Func<string, bool> isSyncing)
    {
        Dictionary<string, ServiceDocument> before = (restored?.Services ?? []).ToDictionary(s => s.Name);
        Dictionary<(string Address, string Protocol, int Port), string> frontends = [];
        List<ServiceDocument> services = [];
        foreach (ServiceObject service in _objects.Services.Values)
        {
            ServiceBackend[] local = [.. LocalBackends.Of(service, _objects)];
            foreach (ServicePortObject port in service.Ports)
            {
                string name = service.Ports.Count == 1 ? service.Key : $"{service.Key}:{port.Name}";
                List<FrontendDocument> of = [.. FrontendsOf(service, port).Where(f => IsFree(frontends, f, port.Protocol, name))];
                if (of.Count == 0)
                {
                    continue;
                }

                List<BackendDocument> backends = BackendsOf(service, port, local);
                foreach (BackendDocument kept in before.GetValueOrDefault(name)?.Backends ?? [])
                {
                    if (kept.Cluster is string other && other != _cluster && isSyncing(other) && !backends.Any(b => b.Address == kept.Address && b.Port == kept.Port))
                    {
                        backends.Add(kept);
                    }
                }

                services.Add(new ServiceDocument
                {
                    Name = name,
                    Protocol = port.Protocol,
                    Annotations = Annotations(service),
                    SessionAffinity = service.SessionAffinity.Length > 0 ? service.SessionAffinity : null,
                    SessionAffinityTimeoutSeconds = service is { SessionAffinity.Length: > 0, SessionAffinitySeconds: > 0 } ? service.SessionAffinitySeconds : null,
                    ExternalTrafficPolicy = NullIfEmpty(service.ExternalTrafficPolicy),
                    InternalTrafficPolicy = NullIfEmpty(service.InternalTrafficPolicy),
                    LoadBalancerSourceRanges = service.LoadBalancerSourceRanges.Count > 0 ? service.LoadBalancerSourceRanges : null,
                    TrafficDistribution = NullIfEmpty(service.TrafficDistribution),
                    Frontends = of,
                    Backends = backends,
                });
            }
        }

        return services;
    }

    /// <summary>Those that the datapath reads. Where Cilium warns of a value and goes on, so does this; the forwarder would refuse the service.</summary>
    private Dictionary<string, string>? Annotations(ServiceObject service)
    {
        Dictionary<string, string> known = [];
        foreach ((string name, string value) in service.Annotations)
        {
            bool? valid = name switch
            {
                GlobalSettings.GlobalKey or "io.cilium/global-service" or GlobalSettings.SharedKey or "io.cilium/shared-service"
                    or "service.cilium.io/node" or "service.cilium.io/node-selector" or "service.kubernetes.io/topology-mode" => true,
                GlobalSettings.AffinityKey or "io.cilium/service-affinity" => value.ToLowerInvariant() is "none" or "local" or "remote" or "",
                GlobalSettings.LeastLocalKey => GlobalSettings.TryReadLeast(value, out _),
                "service.cilium.io/lb-algorithm" => value is "random" or "maglev",
                "service.cilium.io/forwarding-mode" => value is "dsr" or "snat",
                "service.cilium.io/type" => value is "ClusterIP" or "NodePort" or "LoadBalancer",
                "service.cilium.io/src-ranges-policy" => value is "allow" or "deny",
                _ => null,
            };
            if (valid == true)
            {
                known[name] = value;
            }
            else if (valid == false)
            {
                _warnings.Add($"service {service.Key}: annotation {name} has no value '{value}'; it is left out");
            }
        }

        return known.Count > 0 ? known : null;
    }

    private static string? NullIfEmpty(string text) => text.Length > 0 ? text : null;

    private bool IsFree(Dictionary<(string, string, int), string> frontends, FrontendDocument frontend, string protocol, string service)
    {
        if (frontends.TryAdd((frontend.Address ?? "", protocol, frontend.Port), service))
        {
            return true;
        }

        _warnings.Add($"service {service}: {frontend.Address ?? "node port"}:{frontend.Port}/{protocol} is {frontends[(frontend.Address ?? "", protocol, frontend.Port)]}'s already and is left out");
        return false;
    }

    private static IEnumerable<FrontendDocument> FrontendsOf(ServiceObject service, ServicePortObject port)
    {
        foreach (string address in service.ClusterIps)
        {
            yield return new FrontendDocument { Type = "ClusterIP", Address = address, Port = port.Port };
        }

        foreach (string address in service.ExternalIps)
        {
            yield return new FrontendDocument { Type = "ExternalIPs", Address = address, Port = port.Port };
        }

        foreach (string address in service.Type == "LoadBalancer" ? service.LoadBalancerIps : [])
        {
            yield return new FrontendDocument { Type = "LoadBalancer", Address = address, Port = port.Port };
        }

        if (port.NodePort != 0 && (service.Type is "NodePort" or "LoadBalancer"))
        {
            yield return new FrontendDocument { Type = "NodePort", Port = port.NodePort };
        }
    }

    /// <summary>All of them: which get new flows, and which are preferred, the forwarder decides by state and annotations, packet by packet.</summary>
    private List<BackendDocument> BackendsOf(ServiceObject service, ServicePortObject port, ServiceBackend[] local)
    {
        GlobalSettings settings = GlobalSettings.Of(service.Annotations);
        _ = ServicePort.TryParseProtocol(port.Protocol, out IpProtocol protocol);
        List<string> conflicts = [];
        List<BackendDocument> backends = [];
        foreach (bool ipv4 in service.ClusterIps.Select(a => IpAddress.Parse(a).IsIpv4).Distinct())
        {
            backends.AddRange(
                from merged in ServiceMerge.Merge(settings, port.Name, protocol, ipv4, local, _view.Services(service.Key), conflicts)
                where merged.Backend.Port != 0
                select new BackendDocument
                {
                    Address = merged.Backend.Address.ToString(),
                    Port = merged.Backend.Port,
                    Cluster = merged.Backend.IsLocal ? _cluster : merged.Backend.Cluster,
                    Node = merged.Backend.Node.Length > 0 ? merged.Backend.Node : null,
                    ForZones = merged.Backend.ForZones.Count > 0 ? merged.Backend.ForZones : null,
                    State = merged.Backend.State switch
                    {
                        BackendState.Terminating => "terminating",
                        BackendState.TerminatingNotServing => "terminating-not-serving",
                        BackendState.Maintenance => "maintenance",
                        _ => null,
                    },
                });
        }

        _warnings.AddRange(conflicts.Select(c => $"service {service.Key}: {c}"));
        return backends;
    }

    /// <summary>The settings of ip-masq-agent, when the cluster has them; otherwise the node file's hold.</summary>
    private MasqueradeSection? Masquerade()
    {
        if (!_objects.ConfigMaps.TryGetValue(MasqueradeMap, out ConfigMapObject? map) || !map.Data.TryGetValue("config", out string? text))
        {
            return null;
        }

        try
        {
            YamlField root = new(MasqueradeMap, Configuration.YamlLoader.Load(MasqueradeMap, text), "", 1);
            return new MasqueradeSection
            {
                NonMasqueradeCidrs = [.. (root["nonMasqueradeCIDRs"]?.Items() ?? []).Select(c => c.Checked(t => IpPrefix.TryParseInterface(t, out _, out _) ? null : $"'{t}' is no CIDR"))],
                MasqLinkLocal = root["masqLinkLocal"]?.Flag() ?? false,
                MasqLinkLocalIpv6 = root["masqLinkLocalIPv6"]?.Flag() ?? false,
            };
        }
        catch (ConfigurationException fault)
        {
            // As Cilium does: the settings before stay.
            _warnings.Add($"{fault.Message}; masquerading stays as it was");
            return null;
        }
    }
}
