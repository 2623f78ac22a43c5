using ClusterMesh.Datapath.Control;
using ClusterMesh.Datapath.Control.Messages;
using ClusterMesh.Datapath.Control.Rows;
using ClusterMesh.Datapath.Pipeline;
using ClusterMesh.Datapath.State;
using ClusterMesh.Datapath.State.Desired;
using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.Forwarder.Listing;

/// <summary>Rows of what is configured, as it was compiled.</summary>
internal sealed class ConfiguredRows(NodeRuntime node)
{
    public ListResult<EndpointRow> Endpoints(string? cursor, int limit) => List(cursor, limit, ControlKinds.Endpoint.Key, writer => writer.Desired.Endpoints.Values
        .Select(e => new EndpointRow(
            writer.Ports[e.Name].Id, e.Name, Texts(e.Addresses), e.Mac.ToString(), e.Namespace, e.Interface, node.Workers.IsAttached(writer.Ports[e.Name].Id) ? "up" : "down")));

    public ListResult<NodeRow> Nodes(string? cursor, int limit) => List(cursor, limit, ControlKinds.Node.Key, writer => writer.Desired.Nodes.Values
        .Select(n => new NodeRow(n.Name, n.Cluster, Texts(n.Addresses), Texts(n.PodCidrs))));

    public ListResult<MasqueradeRow> Masquerade(string? cursor, int limit) => List(cursor, limit, ControlKinds.Masquerade.Key, writer =>
        writer.Desired.Masquerade.NonMasqueradeCidrs.Select(c => new MasqueradeRow(c.ToString())));

    public ListResult<ServiceRow> Services(string? cursor, int limit) => List(cursor, limit, ControlKinds.Service.Key, writer => writer.Desired.Services.Values
        .SelectMany(s => writer.FrontendsOf(s.Name).Select(f => Service(s, f))));

    public ListResult<BackendRow> Backends(string? cursor, int limit) => List(cursor, limit, ControlKinds.Backend.Key, writer => writer.Desired.Services.Values
        .SelectMany(s => s.Backends.Select(b => (Service: s, Spec: b, Id: IdOf(writer, s, b))))
        .GroupBy(x => Name(x.Spec.Address, x.Spec.Port, x.Service.Protocol))
        .Select(g => new BackendRow(
            g.First().Id, g.Key, StateOf(g.First().Spec), g.First().Spec.Cluster, g.First().Spec.Node, [.. g.Select(x => x.Service.Name).Order(StringComparer.Ordinal)])));

    public ListResult<RouteRow> Routes(string? cursor, int limit)
    {
        IpPrefix last = default;
        if (cursor is not null && !IpPrefix.TryParse(cursor, out last))
        {
            throw new ControlException(ErrorCode.InvalidParams, $"cursor: '{cursor}' was not given by this list; begin again without one");
        }

        return node.Read(writer =>
        {
            Dictionary<IpPrefix, string> nodeOf = [];
            foreach (NodeSpec other in writer.Desired.Nodes.Values)
            {
                foreach (IpPrefix cidr in other.PodCidrs)
                {
                    nodeOf[cidr] = DesiredState.NodeKey(other.Cluster, other.Name);
                }
            }

            Port[] ports = writer.Current.Ports;
            IEnumerable<(IpPrefix Prefix, RouteTarget Target)> routes = writer.Routes().Where(r => cursor is null || r.Prefix > last);
            return Page.Of(writer.Version, routes.Select(r => Route(r.Prefix, r.Target, ports, nodeOf)), cursor, limit, ControlKinds.Route.Key, _ => true);
        });
    }

    private static RouteRow Route(IpPrefix prefix, RouteTarget target, Port[] ports, Dictionary<IpPrefix, string> nodeOf)
    {
        string port = target.Kind == RouteKind.Unreachable ? "" : ports[target.Port]?.Name ?? "";
        string origin = target.Kind switch
        {
            RouteKind.Node => nodeOf.GetValueOrDefault(prefix, ""),
            RouteKind.Endpoint => port,
            RouteKind.Gateway when prefix.FamilyLength == 0 => "gateway",
            RouteKind.Gateway => "static",
            _ => "local",
        };
        return new RouteRow(prefix.ToString(), target.Kind.ToString().ToLowerInvariant(), target.NextHop == default ? "" : target.NextHop.ToString(), port, origin);
    }

    private static ServiceRow Service(ServiceSpec service, Frontend frontend)
    {
        List<ServiceBackendRow> rows = [];
        foreach (Backend backend in frontend.Backends)
        {
            BackendSpec spec = service.Backends.First(b => b.Address == backend.Address && b.Port == backend.Port);
            rows.Add(new ServiceBackendRow(rows.Count + 1, backend.Id, Name(spec.Address, spec.Port, service.Protocol), StateOf(spec), spec.Cluster, false));
        }

        return new ServiceRow(frontend.Id, Name(frontend.Address, frontend.Port, frontend.Protocol), frontend.Type.ToString(), service.Name, rows);
    }

    private static string StateOf(BackendSpec spec) => spec.State.ToString().ToLowerInvariant();

    private static uint IdOf(StateWriter writer, ServiceSpec service, BackendSpec spec)
    {
        foreach (Frontend frontend in writer.FrontendsOf(service.Name))
        {
            foreach (Backend backend in frontend.Backends)
            {
                if (backend.Address == spec.Address && backend.Port == spec.Port)
                {
                    return backend.Id;
                }
            }
        }

        return 0;
    }

    private static string Name(IpAddress address, ushort port, IpProtocol protocol) => $"{FlowKey.Endpoint(address, port)}/{FlowKey.ProtocolName(protocol)}";

    private static string[] Texts<T>(IEnumerable<T> values)
        where T : struct => [.. values.Select(v => v.ToString()!)];

    private ListResult<TRow> List<TRow>(string? cursor, int limit, Func<TRow, string> keyOf, Func<StateWriter, IEnumerable<TRow>> rows) =>
        node.Read(writer => Page.Of(writer.Version, rows(writer).OrderBy(keyOf, StringComparer.Ordinal), cursor, limit, keyOf));
}
