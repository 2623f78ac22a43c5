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
    private readonly BackendRows _backends = new(node);

    /// <summary>Written under the node's gate.</summary>
    private (long Version, FrontendAt[] Frontends) _frontends = (-1, []);

    public ListResult<EndpointRow> Endpoints(string? cursor, int limit) => List(cursor, limit, ControlKinds.Endpoint.Key, writer => writer.Desired.Endpoints.Values
        .Select(e => new EndpointRow(
            writer.Ports[e.Name].Id, e.Name, Texts(e.Addresses), e.Mac.ToString(), e.Namespace, e.Interface, node.Workers.IsAttached(writer.Ports[e.Name].Id) ? "up" : "down")));

    public ListResult<NodeRow> Nodes(string? cursor, int limit) => List(cursor, limit, ControlKinds.Node.Key, writer => writer.Desired.Nodes.Values
        .Select(n => new NodeRow(n.Name, n.Cluster, Texts(n.Addresses), Texts(n.PodCidrs))));

    public ListResult<MasqueradeRow> Masquerade(string? cursor, int limit) => List(cursor, limit, ControlKinds.Masquerade.Key, writer =>
        writer.Desired.Masquerade.NonMasqueradeCidrs.Select(c => new MasqueradeRow(c.ToString())));

    /// <summary>Of a hundred thousand frontends a page makes its own rows only, and makes them while the configuration may go on changing.</summary>
    public ListResult<ServiceRow> Services(string? cursor, int limit)
    {
        (long version, FrontendAt[] frontends) = Frontends();
        int first = cursor is null ? 0 : Array.FindIndex(frontends, f => string.CompareOrdinal(f.Key, cursor) > 0);
        ReadOnlySpan<FrontendAt> rest = first < 0 ? [] : frontends.AsSpan(first);
        List<ServiceRow> rows = new(Math.Min(limit, rest.Length));
        foreach (FrontendAt at in rest[..Math.Min(limit, rest.Length)])
        {
            rows.Add(Service(at.Service, at.Frontend));
        }

        return new ListResult<ServiceRow>(version, rows, rest.Length > limit ? rows[^1].Frontend : null);
    }

    public ListResult<BackendRow> Backends(string? cursor, int limit) => _backends.Page(cursor, limit);

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
            RouteKind.Node or RouteKind.Tunnel => nodeOf.GetValueOrDefault(prefix, ""),
            RouteKind.Endpoint => port,
            RouteKind.Gateway when prefix.FamilyLength == 0 => "gateway",
            RouteKind.Gateway => "static",
            _ => "local",
        };
        return new RouteRow(prefix.ToString(), target.Kind.ToString().ToLowerInvariant(), target.NextHop == default ? "" : target.NextHop.ToString(), port, origin);
    }

    /// <summary>All frontends in the order of lists, sorted once a version.</summary>
    private (long Version, FrontendAt[] Frontends) Frontends() => node.Read(writer =>
    {
        if (_frontends.Version != writer.Version)
        {
            FrontendAt[] all =
            [
                .. writer.Desired.Services.Values.SelectMany(s => writer.FrontendsOf(s.Name).SelectMany(f => f.Internal is { } inner ? (Frontend[])[f, inner] : [f]).Select(f => new FrontendAt(ServiceNames.Of(f), s, f))),
            ];
            Array.Sort(all, (x, y) => string.CompareOrdinal(x.Key, y.Key));
            _frontends = (writer.Version, all);
        }

        return _frontends;
    });

    private ServiceRow Service(ServiceSpec service, Frontend frontend)
    {
        Dictionary<(IpAddress, ushort), BackendSpec> specs = service.Backends.ToDictionary(b => (b.Address, b.Port));
        List<ServiceBackendRow> rows = new(frontend.Backends.Length);
        foreach (Backend backend in frontend.Backends)
        {
            BackendSpec spec = specs[(backend.Address, backend.Port)];
            rows.Add(new ServiceBackendRow(
                rows.Count + 1, backend.Id, ServiceNames.Of(spec.Address, spec.Port, service.Protocol), ServiceNames.Of(spec.State), spec.Cluster, service.IsPreferred(spec, node.Local.Cluster)));
        }

        return new ServiceRow(frontend.Id, ServiceNames.Of(frontend), frontend.Type.ToString(), service.Name, rows);
    }

    private static string[] Texts<T>(IEnumerable<T> values)
        where T : struct => [.. values.Select(v => v.ToString()!)];

    private ListResult<TRow> List<TRow>(string? cursor, int limit, Func<TRow, string> keyOf, Func<StateWriter, IEnumerable<TRow>> rows) =>
        node.Read(writer => Page.Of(writer.Version, rows(writer).OrderBy(keyOf, StringComparer.Ordinal), cursor, limit, keyOf));

    private readonly record struct FrontendAt(string Key, ServiceSpec Service, Frontend Frontend);
}
