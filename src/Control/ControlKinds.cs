using ClusterMesh.Datapath.Control.Rows;

namespace ClusterMesh.Datapath.Control;

/// <summary>Every kind of object of the protocol.</summary>
public static class ControlKinds
{
    /// <summary>Live by its state alone: a TAP goes down without a change of configuration.</summary>
    public static ControlKind<EndpointRow> Endpoint { get; } = new("endpoint", Live: true, row => row.Name);

    public static ControlKind<NodeRow> Node { get; } = new("node", Live: false, row => $"{row.Cluster}/{row.Name}");

    public static ControlKind<RouteRow> Route { get; } = new("route", Live: false, row => row.Prefix);

    public static ControlKind<ServiceRow> Service { get; } = new("service", Live: false, row => row.Frontend);

    public static ControlKind<BackendRow> Backend { get; } = new("backend", Live: false, row => row.Backend);

    public static ControlKind<MasqueradeRow> Masquerade { get; } = new("masquerade", Live: false, row => row.Prefix);

    public static ControlKind<ConntrackRow> Conntrack { get; } =
        new("conntrack", Live: true, row => $"{row.Protocol} {row.Direction} {row.Source} -> {row.Destination}");

    public static ControlKind<SnatRow> Snat { get; } = new("snat", Live: true, row => $"{row.Protocol} {row.Source} -> {row.Destination}");

    public static ControlKind<NeighborRow> Neighbor { get; } = new("neighbor", Live: true, row => $"{row.Address} {row.Port}");

    public static ControlKind<CounterRow> Counter { get; } = new("counter", Live: true, row => $"{row.Scope}/{row.Name}/{row.Counter}");

    public static ControlKind<IpcacheRow> Ipcache { get; } = new("ipcache", Live: false, row => row.Prefix);

    /// <summary>In the order of the numbers.</summary>
    public static ControlKind<IdentityRow> Identity { get; } = new("identity", Live: false, row => $"{row.Id}");

    public static ControlKind<PolicyRow> Policy { get; } = new("policy", Live: false, row => row.Name);

    public static ControlKind<PortRow> Port { get; } = new("port", Live: true, row => row.Name);

    /// <summary>Kinds whose objects <c>delete</c> takes.</summary>
    public static IReadOnlyList<string> Deletable { get; } = ["endpoint", "node", "route", "service", "ipcache", "identity", "policy"];
}
