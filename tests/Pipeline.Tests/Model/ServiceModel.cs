using ClusterMesh.Datapath.State.Desired;
using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.Pipeline.Tests.Model;

/// <summary>
/// What services do, told as plainly as can be: dictionaries of choices and sessions, lists of backends, no tables, no shortcut. Says of each packet
/// which backends it may get, is told which one it got, and remembers.
/// </summary>
internal sealed class ServiceModel(string node, string cluster)
{
    private readonly Dictionary<FlowKey, Choice> _choices = [];
    private readonly Dictionary<(string Side, IpAddress Client), Session> _sessions = [];
    private readonly Dictionary<(IpAddress, ushort, IpProtocol), int> _lives = [];
    private readonly Dictionary<string, int> _innerLives = [];
    private readonly Dictionary<string, ServiceSpec> _services = [];

    /// <summary>The service is this from now on. A backend that is back after it was nobody's lives anew, and so does a frontend's inner side.</summary>
    public void Apply(ServiceSpec service)
    {
        HashSet<(IpAddress, ushort, IpProtocol)> before = [.. All()];
        bool hadInner = _services.TryGetValue(service.Name, out ServiceSpec? old) && HasInner(old);
        _services[service.Name] = service;
        foreach ((IpAddress, ushort, IpProtocol) backend in All().Where(b => !before.Contains(b)))
        {
            _lives[backend] = _lives.GetValueOrDefault(backend) + 1;
        }

        if (HasInner(service) && !hadInner)
        {
            _innerLives[service.Name] = _innerLives.GetValueOrDefault(service.Name) + 1;
        }
    }

    /// <summary>What may become of a packet of a client to a frontend.</summary>
    /// <param name="maglev">What the table says, where the service has one.</param>
    public Forecast Of(FlowKey flow, TcpFlags flags, string service, ServiceType type, bool isInside, Func<FlowKey, bool, IpAddress?> maglev, MonoTime now)
    {
        ServiceSpec spec = _services[service];
        if (!isInside && type == ServiceType.LoadBalancer && spec.SourceRanges.Count > 0
            && spec.SourceRanges.Any(r => r.IsIpv4 == flow.Source.IsIpv4 && r.Contains(flow.Source)) == spec.DeniesSourceRanges)
        {
            return Forecast.Dropped(DropReason.SourceRange);
        }

        if (!isInside && type == ServiceType.ClusterIP)
        {
            return Forecast.Dropped(DropReason.ClusterIp);
        }

        bool isLocal = type == ServiceType.ClusterIP || isInside ? spec.IsInternalLocal : spec.IsExternalLocal;
        List<BackendSpec> members = [.. spec.Backends.Where(b => b.Address.IsIpv4 == flow.Source.IsIpv4 && (!isLocal || b.Node.Length == 0 || b.Node == node || b.Cluster != cluster))];
        string side = SideOf(flow, spec, type, isInside);
        bool begins = (flags & TcpFlags.Syn) != 0;
        bool isKnown = _choices.TryGetValue(flow, out Choice? choice) && choice.Expires > now.Seconds && choice.Side == side;
        if (isKnown && Member(members, choice!.Backend, spec.Protocol) is { } kept && !(begins && kept.State != BackendState.Active))
        {
            return Forecast.Of([kept.Address], side, isNew: false);
        }

        List<BackendSpec> candidates = Candidates(spec, members);
        if (candidates.Count == 0)
        {
            return Forecast.Dropped(DropReason.NoBackend);
        }

        if (spec.AffinitySeconds > 0 && !isKnown && _sessions.TryGetValue((side, flow.Source), out Session? session)
            && session.LastUsed.PlusSeconds(spec.AffinitySeconds).Nanoseconds > now.Nanoseconds
            && Member(members, session.Backend, spec.Protocol) is { } last && (last.State == BackendState.Active || candidates.Contains(last)))
        {
            return Forecast.Of([last.Address], side, isNew: true);
        }

        return maglev(flow, spec.AffinitySeconds == 0) is { } said ? Forecast.Of([said], side, isNew: true) : Forecast.Of([.. candidates.Select(c => c.Address)], side, isNew: true);
    }

    /// <summary>The packet went to a backend that the forecast allows.</summary>
    public void Happened(FlowKey flow, TcpFlags flags, string service, Forecast forecast, bool isInside, IpAddress backend, MonoTime now)
    {
        ServiceSpec spec = _services[service];
        BackendSpec got = spec.Backends.First(b => b.Address == backend);
        var identity = (got.Address, got.Port, Life: _lives[(got.Address, got.Port, spec.Protocol)]);
        if (spec.AffinitySeconds > 0)
        {
            _sessions[(forecast.Side, flow.Source)] = new Session(identity, now);
        }

        Choice choice = forecast.IsNew ? new Choice() : _choices[flow];
        _choices[flow] = choice;
        choice.IsDirect = forecast.IsNew ? !isInside && IsDirectReturn(spec) : choice.IsDirect;
        choice.Side = forecast.Side;
        choice.Backend = identity;
        if (spec.Protocol != IpProtocol.Tcp)
        {
            choice.Expires = now.Seconds + 60;
            return;
        }

        // A SYN begins anew what was closed; FIN and RST close; the rest keeps it for long once more than SYNs were seen.
        if ((flags & TcpFlags.Syn) != 0 && choice.IsClosed)
        {
            choice.IsClosed = false;
            choice.HasData = false;
        }

        choice.IsClosed |= (flags & (TcpFlags.Fin | TcpFlags.Rst)) != 0;
        choice.HasData |= (flags & TcpFlags.Syn) == 0;
        choice.Expires = now.Seconds + (choice.IsClosed || !choice.HasData ? 60u : 8000u);
    }

    /// <summary>The flow's backend, if it is on another node, answers by itself: decided when it was chosen.</summary>
    public bool IsDirect(FlowKey flow) => _choices[flow].IsDirect;

    private static bool IsDirectReturn(ServiceSpec service) =>
        service.Forwarding == ForwardingMode.Dsr || (service.Forwarding == ForwardingMode.Hybrid && service.Protocol == IpProtocol.Tcp);

    private static bool HasInner(ServiceSpec service) => service.IsExternalLocal != service.IsInternalLocal;

    private IEnumerable<(IpAddress, ushort, IpProtocol)> All() => _services.Values.SelectMany(s => s.Backends.Select(b => (b.Address, b.Port, s.Protocol)));

    /// <summary>What a choice and a session belong to.</summary>
    private string SideOf(FlowKey flow, ServiceSpec spec, ServiceType type, bool isInside)
    {
        bool isInner = isInside && type != ServiceType.ClusterIP && HasInner(spec);
        return $"{spec.Name} {flow.Destination} {flow.DestinationPort}{(isInner ? $" inner {_innerLives[spec.Name]}" : "")}";
    }

    private BackendSpec? Member(List<BackendSpec> members, (IpAddress Address, ushort Port, int Life) identity, IpProtocol protocol) =>
        members.FirstOrDefault(b => b.Address == identity.Address && b.Port == identity.Port && _lives[(b.Address, b.Port, protocol)] == identity.Life);

    private List<BackendSpec> Candidates(ServiceSpec spec, List<BackendSpec> members)
    {
        List<BackendSpec> active = members.FindAll(b => b.State == BackendState.Active);
        List<BackendSpec> preferred = !spec.IsGlobal || spec.Affinity == ClusterAffinity.None ? [] : active.FindAll(b => (b.Cluster == cluster) == (spec.Affinity == ClusterAffinity.Local));
        return preferred.Count > 0 ? preferred : active.Count > 0 ? active : members.FindAll(b => b.State == BackendState.Terminating);
    }

    private sealed class Choice
    {
        public string Side { get; set; } = "";

        public (IpAddress Address, ushort Port, int Life) Backend { get; set; }

        public uint Expires { get; set; }

        public bool IsClosed { get; set; }

        public bool IsDirect { get; set; }

        public bool HasData { get; set; }
    }

    private sealed record Session((IpAddress Address, ushort Port, int Life) Backend, MonoTime LastUsed);
}
