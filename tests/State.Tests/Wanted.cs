using ClusterMesh.Datapath.Pipeline;
using ClusterMesh.Datapath.State.Desired;
using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.State.Tests;

/// <summary>The worker of west and the objects that tests want of it, each from a line of text.</summary>
internal static class Wanted
{
    public const ulong Seed = 20_240_601;

    public static LocalNodeSpec WestWorker { get; } = new(
        "west-worker", "west", 1, [OnLink("172.18.0.5/16")], Prefixes("10.0.1.0/24"), Addresses("10.0.1.1"), MacAddress.Parse("02:00:00:00:00:01"), 1500,
        AutoDirectNodeRoutes: true, Prefixes("10.0.0.0/16"), new HostPortSpec("west-worker", "eth0", MacAddress.Parse("02:00:00:00:00:02"), true),
        new UplinkPortSpec("node-network", "west-worker", "br0", MacAddress.Parse("02:00:00:00:00:03"), Addresses("172.18.0.1")),
        1024, 1024, 30000, 32767, "west.yaml:2");

    /// <summary>The same node with both families.</summary>
    public static LocalNodeSpec DualStack { get; } = WestWorker with
    {
        Addresses = [OnLink("172.18.0.5/16"), OnLink("fc00:f853::5/64")],
        PodCidrs = Prefixes("10.0.1.0/24", "fd00:10:0:1::/64"),
        RouterAddresses = Addresses("10.0.1.1", "fd00:10:0:1::1"),
    };

    public static StateWriter Writer(LocalNodeSpec? local = null) => new(local ?? WestWorker, Seed);

    public static EndpointSpec Endpoint(string name, string addresses, string? ns = null, string mac = "0a:00:00:00:00:01") =>
        new(name, ns ?? $"ns-{name}", "eth0", MacAddress.Parse(mac), Addresses(addresses.Split(' ')), $"pod.yaml:{name}");

    /// <param name="name">cluster/name.</param>
    public static NodeSpec Node(string name, string addresses, string podCidrs = "")
    {
        string[] parts = name.Split('/');
        return new NodeSpec(
            parts[1], parts[0], Addresses(addresses.Split(' ')), Prefixes(podCidrs.Split(' ', StringSplitOptions.RemoveEmptyEntries)), $"node.yaml:{parts[1]}");
    }

    public static RouteSpec Route(string prefix, string via) => new(IpPrefix.Parse(prefix), IpAddress.Parse(via), $"route.yaml:{prefix}");

    /// <param name="frontends">10.2.0.1:80, or node:30080.</param>
    /// <param name="backends">10.0.1.5:80, separated by blanks; [fd00::1]:80.</param>
    public static ServiceSpec Service(string name, string frontends, string backends = "", IpProtocol protocol = IpProtocol.Tcp) => new(
        name, protocol,
        [.. frontends.Split(' ').Select(text => text.StartsWith("node:", StringComparison.Ordinal)
            ? new FrontendSpec(ServiceType.NodePort, null, ushort.Parse(text[5..]))
            : new FrontendSpec(ServiceType.ClusterIP, Host(text), Port(text)))],
        [.. backends.Split(' ', StringSplitOptions.RemoveEmptyEntries).Select(text => new BackendSpec(Host(text), Port(text), "west", ""))],
        $"service.yaml:{name}");

    public static IpAddress Host(string endpoint) => IpAddress.Parse(endpoint[..endpoint.LastIndexOf(':')].Trim('[', ']'));

    public static ushort Port(string endpoint) => ushort.Parse(endpoint[(endpoint.LastIndexOf(':') + 1)..]);

    public static IpAddress[] Addresses(params string[] texts) => [.. texts.Select(IpAddress.Parse)];

    public static IpPrefix[] Prefixes(params string[] texts) => [.. texts.Select(IpPrefix.Parse)];

    public static InterfaceAddress OnLink(string text)
    {
        Assert.True(IpPrefix.TryParseInterface(text, out IpAddress address, out IpPrefix prefix), text);
        return new InterfaceAddress(address, prefix);
    }

    /// <summary>Plans and commits.</summary>
    public static Snapshot Apply(this StateWriter writer, DesiredChange change) => writer.Commit(writer.Plan(change));

    public static Snapshot Apply(this StateWriter writer, params ServiceSpec[] services) => writer.Apply(new DesiredChange { Services = services });

    public static Snapshot Delete(this StateWriter writer, ObjectKind kind, params string[] names) => writer.Commit(writer.PlanDelete(kind, names));

    /// <summary>What the route stage would find: kind, port's name and next hop; "none".</summary>
    public static string Look(this Snapshot snapshot, string destination)
    {
        if (!snapshot.Routes.TryLookup(IpAddress.Parse(destination), out RouteTarget target, out _))
        {
            return "none";
        }

        string port = target.Kind == RouteKind.Unreachable ? "-" : snapshot.Ports[target.Port].Name;
        return target.NextHop == default ? $"{target.Kind} {port}" : $"{target.Kind} {port} {target.NextHop}";
    }

    /// <summary>The frontend at 10.2.0.1:80; fails the test when there is none.</summary>
    public static Frontend Frontend(this Snapshot snapshot, string at, IpProtocol protocol = IpProtocol.Tcp)
    {
        Assert.True(snapshot.Services.TryFind(Host(at), Port(at), protocol, out Frontend? frontend), $"no frontend {at}");
        return frontend!;
    }

    public static string Backends(this Frontend frontend) => string.Join(' ', frontend.Backends.Select(b => FlowKey.Endpoint(b.Address, b.Port)));
}
