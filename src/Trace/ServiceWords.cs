using System.Globalization;
using ClusterMesh.Datapath.Pipeline;
using ClusterMesh.Datapath.State;
using ClusterMesh.Datapath.State.Desired;
using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.Trace;

/// <summary>Which backend a packet got and why, or why none.</summary>
internal sealed class ServiceWords(MeshNames names)
{
    private readonly List<string> _remarks = [];

    public IReadOnlyList<string> Remarks => _remarks;

    public (string Lookup, string Result) Of(StageFacts facts, in PacketContext p, Verdict v)
    {
        FlowKey key = facts.Key;
        if (!ServiceTable.IsServed(key.Protocol))
        {
            return ("frontends", $"skipped: services have no {FlowKey.ProtocolName(key.Protocol)}");
        }

        string lookup = $"frontend {ServiceNames.Of(key.Destination, key.DestinationPort, key.Protocol)}";
        if (facts.Frontend is not { } frontend)
        {
            NoticeOtherPort(key);
            return (lookup, v == Verdict.Drop ? $"none at this port; {StageWords.Dropped(p)}" : "none: not for a service");
        }

        ServiceSpec? service = names.ServiceOf(frontend);
        string found = $"{ServiceNames.Of(frontend)} ({frontend.Type}) of {service?.Name ?? "a service"}";
        if (v == Verdict.Drop)
        {
            return (lookup, $"{found}, {Members(service, frontend)}; {StageWords.Dropped(p)}");
        }

        if (p.RevNat != frontend.Id)
        {
            return (lookup, $"{found}: an ICMP error about a flow that is gone chooses nothing");
        }

        frontend.Set.TryGet(p.BackendId, out Backend backend);
        Notice(service, frontend);
        string hairpin = p.IsHairpin ? $"; the pod reaches itself, so its source becomes {p.Key.Source}" : "";
        return (lookup, $"{found}: {Reason(facts, p, frontend, backend)}; destination becomes {MeshNames.Of(backend, service, frontend)}{hairpin}");
    }

    /// <summary>Why a frontend took nothing.</summary>
    public static (string Cause, string Advice) Refused(MeshNames names, StageFacts facts, in PacketContext p)
    {
        FlowKey key = facts.Key;
        if (facts.Frontend is not { } frontend)
        {
            string ports = OtherPorts(names, key.Destination);
            return ($"{key.Destination} is an address of services, and none of them has port {ServiceNames.Of(key.Destination, key.DestinationPort, key.Protocol)}",
                ports.Length == 0 ? "Ask for a port that a service has (cmesh service list)." : $"Ask for one that is there: {ports}.");
        }

        ServiceSpec? service = names.ServiceOf(frontend);
        string name = service?.Name ?? ServiceNames.Of(frontend);
        return p.Reason switch
        {
            DropReason.SourceRange => (
                $"{key.Source} is {(service is { DeniesSourceRanges: true } ? "" : "not ")}in the loadBalancerSourceRanges of {name} ({Ranges(service)})",
                service is { DeniesSourceRanges: true } ? $"Take the range with {key.Source} out of the service's deny list." : $"Add {key.Source} to spec.loadBalancerSourceRanges, or ask from an admitted client."),
            DropReason.ClusterIp => (
                $"{ServiceNames.Of(frontend)} is a ClusterIP of {name}, which only pods and the node itself reach", "Ask for its NodePort or LoadBalancer address, or set loadBalancer.externalClusterIP: true."),
            DropReason.ConntrackFull => ("the conntrack table is full, so the choice of a backend cannot be recorded", "Raise tables.conntrackEntries in the node file, or see who floods (cmesh ct list)."),
            _ when frontend.IsLocalOnly => (
                $"the traffic policy of {name} is Local, and no backend of it runs on {names.Local.Name} ({Elsewhere(service, names)})",
                $"Send to a node that has one, start one here, or set {(frontend.IsInternal || frontend.Type == ServiceType.ClusterIP ? "internalTrafficPolicy" : "externalTrafficPolicy")}: Cluster."),
            _ => ($"{name} has no backend that takes new flows ({States(service)}){Sharing(service, names)}", Cure(service, names)),
        };
    }

    private string Reason(StageFacts facts, in PacketContext p, Frontend frontend, Backend backend)
    {
        if (facts.Choice is { } choice && choice.RevNat == frontend.Id)
        {
            if (choice.BackendId == backend.Id)
            {
                return "the flow keeps the backend that it has";
            }

            return $"the flow's backend {choice.BackendId} {(frontend.Set.TryGet(choice.BackendId, out Backend old) ? $"is {ServiceNames.Of(old.State)}" : "has left the service")}, so another is chosen";
        }

        ServiceSpec? service = names.ServiceOf(frontend);
        if (facts.Session is { } session && session.Id == backend.Id)
        {
            return string.Create(CultureInfo.InvariantCulture, $"session affinity: the client was here within the last {frontend.AffinitySeconds} s");
        }

        string members = Members(service, frontend);
        if (frontend.Set.Maglev is not { } maglev)
        {
            return $"by chance among {members}";
        }

        bool hasPort = frontend.AffinitySeconds == 0;
        return string.Create(CultureInfo.InvariantCulture, $"Maglev entry {maglev.IndexOf(facts.Key, hasPort)} of {maglev.Size}, among {members}");
    }

    private void Notice(ServiceSpec? service, Frontend frontend)
    {
        string cluster = names.Local.Cluster;
        if (service is null)
        {
            return;
        }

        bool hasRemote = service.Backends.Any(b => b.Cluster.Length > 0 && b.Cluster != cluster);
        bool hasOthers = names.Writer.Desired.Nodes.Values.Any(n => n.Cluster != cluster);
        if (hasOthers && !service.IsGlobal && !hasRemote)
        {
            _remarks.Add($"{service.Name} is not global here, so only backends of {cluster} are used. Annotate it service.cilium.io/global: \"true\" in each cluster to share it.");
        }
        else if (hasOthers && service.IsGlobal && !hasRemote)
        {
            _remarks.Add($"{service.Name} is global, but no other cluster has given it a backend: {OneSided(service)}");
        }

        if (service.IsGlobal && service.Affinity != ClusterAffinity.None && frontend.Set.CandidateCount > 0)
        {
            bool wantsLocal = service.Affinity == ClusterAffinity.Local;
            if (!Enumerable.Range(0, frontend.Set.CandidateCount).Select(frontend.Set.Candidate).Any(c => service.Backends.Any(b => b.Address == c.Address && b.Cluster == cluster == wantsLocal)))
            {
                _remarks.Add(
                    $"{service.Name} prefers {(wantsLocal ? $"backends of {cluster}" : "backends of other clusters")} (affinity {service.Affinity.ToString().ToLowerInvariant()}), but none of them is active, so all others are used.");
            }
        }
    }

    private void NoticeOtherPort(FlowKey key)
    {
        if (OtherPorts(names, key.Destination) is { Length: > 0 } ports)
        {
            _remarks.Add($"{key.Destination} is an address of services, but nothing is at {key.DestinationPort}/{FlowKey.ProtocolName(key.Protocol)}: it is routed as any address. There is {ports}.");
        }
    }

    /// <summary>What services have at an address, some of it.</summary>
    private static string OtherPorts(MeshNames names, IpAddress address)
    {
        string[] found =
        [
            .. names.Writer.Desired.Services.Values.OrderBy(x => x.Name, StringComparer.Ordinal).SelectMany(x => names.Writer.FrontendsOf(x.Name).Where(f => f.Address == address && f.Type is not (ServiceType.NodePort or ServiceType.HostPort)).Select(f => $"{ServiceNames.Of(f)} of {x.Name}"))
                .Take(4),
        ];
        return string.Join(", ", found);
    }

    /// <summary>Which backends a new flow can get.</summary>
    private string Members(ServiceSpec? service, Frontend frontend)
    {
        int count = frontend.Set.CandidateCount;
        int active = frontend.Backends.Count(b => b.State == BackendState.Active);
        string what = active == 0 ? "terminating" : count < active ? $"preferred (affinity {service?.Affinity.ToString().ToLowerInvariant() ?? ""}) and active" : "active";
        string clusters = count == 0 || service is not { IsGlobal: true } ? "" : $" of {string.Join(" and ", Clusters(service, frontend))}";
        return count == 0 ? "no backend takes new flows"
            : string.Create(CultureInfo.InvariantCulture, $"{count} {what} backend{(count == 1 ? "" : "s")}{clusters}{(frontend.IsLocalOnly ? $" on {names.Local.Name}" : "")}");
    }

    private static IEnumerable<string> Clusters(ServiceSpec service, Frontend frontend) => Enumerable.Range(0, frontend.Set.CandidateCount).Select(frontend.Set.Candidate)
        .Select(c => service.Backends.FirstOrDefault(b => b.Address == c.Address && b.Port == c.Port)?.Cluster ?? "").Where(c => c.Length > 0).Distinct().Order(StringComparer.Ordinal);

    private static string Ranges(ServiceSpec? service) => service is null ? "" : string.Join(", ", service.SourceRanges);

    private static string States(ServiceSpec? service) => service is null || service.Backends.Count == 0
        ? "it has none at all"
        : string.Join(", ", service.Backends.GroupBy(b => b.State).OrderBy(g => g.Key).Select(g => string.Create(CultureInfo.InvariantCulture, $"{g.Count()} {ServiceNames.Of(g.Key)}")));

    private static string Elsewhere(ServiceSpec? service, MeshNames names)
    {
        string[] nodes = [.. (service?.Backends ?? []).Where(b => b.Node.Length > 0 && (b.Node != names.Local.Name || b.Cluster != names.Local.Cluster)).Select(b => $"{b.Cluster}/{b.Node}").Distinct().Order(StringComparer.Ordinal).Take(4)];
        return nodes.Length == 0 ? "nor anywhere else" : $"there are some on {string.Join(", ", nodes)}";
    }

    private static string Sharing(ServiceSpec? service, MeshNames names) =>
        service is { Backends.Count: 0 } && names.Writer.Desired.Nodes.Values.Any(n => n.Cluster != names.Local.Cluster)
            ? service.IsGlobal ? $"; {OneSided(service)}" : "; it is not global here, so backends of other clusters do not count"
            : "";

    /// <summary>What keeps the other clusters' backends away.</summary>
    private static string OneSided(ServiceSpec service) =>
        $"there the service is missing (another name or namespace than {service.Name}), is not annotated service.cilium.io/global: \"true\", has service.cilium.io/shared: \"false\", or has no ready pod";

    private static string Cure(ServiceSpec? service, MeshNames names) => service is { Backends.Count: > 0 }
        ? "Start pods that are ready, or take backends out of maintenance or quarantine (cmesh service list)."
        : service is { IsGlobal: true } && names.Writer.Desired.Nodes.Values.Any(n => n.Cluster != names.Local.Cluster)
            ? "Start pods that the service selects, or share the service in another cluster (service.cilium.io/global and shared)."
            : "Start pods that the service selects, and see that its selector and target port fit them.";
}
