using System.Globalization;
using ClusterMesh.Datapath.Control;
using ClusterMesh.Datapath.Control.Messages;
using ClusterMesh.Datapath.Io;
using ClusterMesh.Datapath.Pipeline;
using ClusterMesh.Datapath.State;
using ClusterMesh.Datapath.State.Desired;
using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.Forwarder.Listing;

/// <summary>Answers to how a service chooses. Says what the service stage would do to a new flow, by the same tables and the same calls.</summary>
internal sealed class ServiceAnswers(NodeRuntime node)
{
    public MaglevResult Maglev(MaglevRequest request) => node.Read(writer =>
    {
        int size = request.TableSize ?? node.Local.LoadBalancer.MaglevTableSize;
        if (!LoadBalancerSpec.MaglevTableSizes.Contains(size))
        {
            throw new ControlException(ErrorCode.InvalidParams, $"tableSize: {size} is no size of a Maglev table; use one of {string.Join(", ", LoadBalancerSpec.MaglevTableSizes)}");
        }

        (ServiceSpec service, Frontend frontend) = Frontends(writer, request.Service)[0];
        Backend[] candidates = Candidates(frontend);
        if (candidates.Length == 0)
        {
            throw new ControlException(ErrorCode.NotFound, $"service {service.Name} has no backend that takes new flows at {ServiceNames.Of(frontend)}, so it has no Maglev table");
        }

        MaglevTable table = writer.MaglevOf(service, frontend, size);
        var entries = new int[candidates.Length];
        var ids = new long[size];
        for (int i = 0; i < size; i++)
        {
            entries[table[i]]++;
            ids[i] = candidates[table[i]].Id;
        }

        Dictionary<(IpAddress, ushort), BackendSpec> specs = service.Backends.ToDictionary(b => (b.Address, b.Port));
        MaglevShare[] shares = [.. candidates.Select((b, i) => new MaglevShare(b.Id, NameOf(b, frontend), specs[(b.Address, b.Port)].Weight, entries[i]))];
        return new MaglevResult(ServiceNames.Of(frontend), service.Name, size, table.Seed.ToString(), ReferenceEquals(table, frontend.Set.Maglev), shares, ids);
    });

    public SelectResult Select(SelectRequest request)
    {
        (IpAddress client, ushort port) = Client(request.From);
        (ServiceSpec service, Frontend frontend, PortKind from) = node.Read(writer =>
        {
            PortKind kind = node.Local.Addresses.Any(a => a.Address == client) ? PortKind.Host
                : writer.Desired.Endpoints.Values.Any(e => e.Addresses.Contains(client)) ? PortKind.Endpoint
                : PortKind.Uplink;
            List<(ServiceSpec Service, Frontend Frontend)> frontends = Frontends(writer, request.Service).FindAll(f => f.Frontend.Address.IsIpv4 == client.IsIpv4);
            if (frontends.Count == 0)
            {
                throw new ControlException(ErrorCode.NotFound, $"service {request.Service} has no frontend of the family of {client}; give an address of the other one");
            }

            // A service is asked at the place that is meant for such a client: its ClusterIP from inside, another from outside.
            int at = kind == PortKind.Uplink ? Math.Max(0, frontends.FindIndex(f => f.Frontend.IsRoutable && !f.Frontend.Address.IsUnspecified)) : 0;
            Frontend chosen = frontends[at].Frontend;
            return (frontends[at].Service, kind != PortKind.Uplink && chosen.Internal is { } inner ? inner : chosen, kind);
        });
        IpProtocol protocol = frontend.Protocol == ServiceTable.AnyProtocol ? IpProtocol.Tcp : frontend.Protocol;
        return Answer(service, frontend, from, new FlowKey(client, frontend.Address, port, frontend.Port, protocol));
    }

    private SelectResult Answer(ServiceSpec service, Frontend frontend, PortKind from, FlowKey flow)
    {
        BackendSet set = frontend.Set;
        bool hasAffinity = frontend.AffinitySeconds > 0;
        var none = new SelectResult(
            ServiceNames.Of(frontend), service.Name, FlowKey.Endpoint(flow.Source, flow.SourcePort), from switch { PortKind.Endpoint => "pod", PortKind.Host => "host", _ => "network" },
            set.Maglev is null ? "random" : "maglev", "", []);
        if (from == PortKind.Uplink && frontend.Sources is { } sources && !sources.Admits(flow.Source))
        {
            return none with { Reason = Dropped(DropReason.SourceRange, $"{flow.Source} is {(service.DeniesSourceRanges ? "" : "not ")}in loadBalancerSourceRanges") };
        }

        if (from == PortKind.Uplink && !frontend.IsRoutable)
        {
            return none with { Reason = Dropped(DropReason.ClusterIp, "only the cluster can ask for it (loadBalancer.externalClusterIP opens it)") };
        }

        if (set.CandidateCount == 0)
        {
            return none with { Reason = Dropped(DropReason.NoBackend, frontend.IsLocalOnly ? "a traffic policy keeps to this node, where no backend takes new flows" : "no backend takes new flows") };
        }

        if (hasAffinity && Session(frontend, flow.Source) is { } last)
        {
            return Chosen(none, frontend, last, $"session affinity: the client was here within the last {frontend.AffinitySeconds} s");
        }

        string members = Members(service, frontend);
        if (set.Maglev is not { } maglev)
        {
            return none with
            {
                Reason = $"random among {members}{(hasAffinity ? "; the client then keeps it" : "")}",
                Candidates = [.. Candidates(frontend).Select(b => NameOf(b, frontend))],
            };
        }

        uint hash = JenkinsHash.Flow(flow, !hasAffinity, maglev.Seed);
        int entry = maglev.IndexOf(flow, !hasAffinity);
        string why = string.Create(CultureInfo.InvariantCulture, $"Maglev: hash {hash}{(hasAffinity ? " without the client's port" : "")}, entry {entry} of {maglev.Size}, among {members}");
        return Chosen(none, frontend, set.Candidate(maglev[entry]), why) with { Hash = hash, Entry = entry };
    }

    private static SelectResult Chosen(SelectResult none, Frontend frontend, Backend backend, string reason) =>
        none with { Reason = reason, Backend = NameOf(backend, frontend), BackendId = backend.Id };

    private static string Dropped(DropReason reason, string why) => $"dropped, {DropReasons.TextOf(reason)} ({(byte)reason}): {why}";

    /// <summary>Which backends they are: active ones, preferred ones, those that are about to go.</summary>
    private string Members(ServiceSpec service, Frontend frontend)
    {
        int count = frontend.Set.CandidateCount;
        int active = frontend.Backends.Count(b => b.State == BackendState.Active);
        string what = active == 0 ? "terminating" : count < active ? $"preferred (affinity {service.Affinity.ToString().ToLowerInvariant()}) and active" : "active";
        string where = frontend.IsLocalOnly ? $" on {node.Local.Name}" : "";
        return string.Create(CultureInfo.InvariantCulture, $"{count} {what} backend{(count == 1 ? "" : "s")}{where}");
    }

    /// <summary>The workers' tables, each asked on its worker's thread; one of them has it.</summary>
    private Backend? Session(Frontend frontend, IpAddress client)
    {
        Backend found = default;
        bool isFound = false;
        foreach (Worker worker in node.Workers.Workers)
        {
            worker.Ask(() => isFound = isFound || worker.Live.Affinities.TryPeek(frontend, client, new MonoTime(MonotonicClock.Nanoseconds), out found));
        }

        return isFound ? found : null;
    }

    private static Backend[] Candidates(Frontend frontend) => [.. Enumerable.Range(0, frontend.Set.CandidateCount).Select(frontend.Set.Candidate)];

    private static string NameOf(Backend backend, Frontend frontend) => ServiceNames.Of(backend.Address, backend.Port, frontend.Protocol);

    private static (IpAddress Address, ushort Port) Client(string from)
    {
        int colon = from.LastIndexOf(':');
        string address = colon < 0 ? "" : from[..colon];
        bool isBracketed = address.StartsWith('[') && address.EndsWith(']');
        return IpAddress.TryParse(isBracketed ? address[1..^1] : address, out IpAddress client) && client.IsIpv4 != isBracketed
            && ushort.TryParse(from.AsSpan(colon + 1), NumberStyles.None, CultureInfo.InvariantCulture, out ushort port)
                ? (client, port)
                : throw new ControlException(ErrorCode.InvalidParams, $"from: '{from}' is no client; write an address and a port such as 10.0.1.105:40000 or [fd00::1]:40000");
    }

    /// <summary>The frontends of a service by its name, or one by what it is called in lists.</summary>
    private static List<(ServiceSpec Service, Frontend Frontend)> Frontends(StateWriter writer, string name)
    {
        if (writer.Desired.Services.TryGetValue(name, out ServiceSpec? named))
        {
            return writer.FrontendsOf(name).Count > 0
                ? [.. writer.FrontendsOf(name).Select(f => (named, f))]
                : throw new ControlException(ErrorCode.NotFound, $"service {name} has no frontend on this node: it is headless, or is not for this node");
        }

        foreach (ServiceSpec service in writer.Desired.Services.Values)
        {
            foreach (Frontend frontend in writer.FrontendsOf(service.Name))
            {
                if (ServiceNames.Of(frontend) == name)
                {
                    return [(service, frontend)];
                }

                if (frontend.Internal is { } inner && ServiceNames.Of(inner) == name)
                {
                    return [(service, inner)];
                }
            }
        }

        throw new ControlException(ErrorCode.NotFound, $"there is no service or frontend '{name}'; cmesh service list shows those that are");
    }
}
