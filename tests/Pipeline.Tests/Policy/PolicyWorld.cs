using ClusterMesh.Datapath.State.Desired;
using ClusterMesh.Datapath.Testing;
using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.Pipeline.Tests.Policy;

/// <summary>
/// Two clusters of one node each, on one network, both with the same policies; and people outside. A packet goes as it would: through the sender's node,
/// over the wire, through the receiver's node.
/// </summary>
internal sealed class PolicyWorld
{
    private readonly Dictionary<string, PolicyNode> _nodes = [];
    private readonly Mesh _mesh;
    private int _clientPort = 20_000;

    public PolicyWorld(Family family, Func<LocalNodeSpec, LocalNodeSpec>? local = null)
    {
        _mesh = new Mesh(family);
        Actors =
        [
            Pod("west-web", "west", "10.0.1.14", 65_536 + 301, "web", "default"),
            Pod("west-curl", "west", "10.0.1.105", 65_536 + 300, "curl", "default"),
            Pod("west-other", "west", "10.0.1.106", 65_536 + 302, "curl", "other"),
            Pod("east-web", "east", "10.1.1.2", 131_072 + 301, "web", "default"),
            Pod("east-curl", "east", "10.1.1.3", 131_072 + 300, "curl", "default"),
            new Actor("west-node", "west", ActorKind.Node, _mesh.At("172.18.0.5"), NumericIdentity.Host, new Dictionary<string, string>()),
            new Actor("east-node", "east", ActorKind.Node, _mesh.At("172.18.0.2"), NumericIdentity.Host, new Dictionary<string, string>()),
            new Actor("outside", "", ActorKind.Outside, _mesh.At("203.0.113.9"), NumericIdentity.World, new Dictionary<string, string>()),
            new Actor("outside-near", "", ActorKind.Outside, _mesh.At("203.0.77.9"), NumericIdentity.World, new Dictionary<string, string>()),
            new Actor("outside-far", "", ActorKind.Outside, _mesh.At("198.51.100.7"), NumericIdentity.World, new Dictionary<string, string>()),
        ];
        foreach (string home in (string[])["west", "east"])
        {
            LocalNodeSpec spec = Local(home);
            _nodes[home] = new PolicyNode(local is null ? spec : local(spec), Start(home), [_mesh.Gateway, Address(home == "west" ? "east" : "west")]);
        }
    }

    public IReadOnlyList<Actor> Actors { get; }

    public Mesh Mesh => _mesh;

    public Actor this[string name] => Actors.First(a => a.Name == name);

    public PolicyNode Node(string home) => _nodes[home];

    public void Apply(params PolicySpec[] policies)
    {
        foreach (PolicyNode node in _nodes.Values)
        {
            node.Apply(new DesiredChange { Replace = true, Policies = policies });
        }
    }

    /// <summary>The first packet of a flow, each of another client's port.</summary>
    /// <returns>None when it arrived; otherwise why not.</returns>
    public DropReason Send(Actor from, Actor to, IpProtocol protocol, ushort port) => protocol is IpProtocol.Icmp or IpProtocol.Icmpv6
        ? Send(from, to, TestPacket.EchoRequest(from.Address, to.Address, ++_clientPort))
        : Send(from, to, TestPacket.Of(protocol, from.Address, ++_clientPort, to.Address, port) with { Flags = TcpFlags.Syn });

    public DropReason Send(Actor from, Actor to, TestPacket packet)
    {
        string home = from.Home.Length > 0 ? from.Home : to.Home;
        (Verdict verdict, DropReason reason, string? port, byte[] frame) = _nodes[home].Send(_nodes[home].PortOf(from), packet);
        if (verdict == Verdict.Transmit && port == "uplink" && to.Home.Length > 0 && to.Home != home)
        {
            (verdict, reason, port, _) = _nodes[to.Home].Send("uplink", frame);
        }

        Assert.True(verdict is Verdict.Transmit or Verdict.Drop, $"{from} to {to}: {verdict}");
        if (verdict == Verdict.Transmit)
        {
            Assert.Equal(to.Kind switch { ActorKind.Pod => to.Name, ActorKind.Node => "host", _ => "uplink" }, port);
        }

        return verdict == Verdict.Transmit ? DropReason.None : reason;
    }

    private IpAddress Address(string home) => _mesh.At(home == "west" ? "172.18.0.5" : "172.18.0.2");

    private Actor Pod(string name, string home, string address, uint identity, string app, string ns) => new(
        name, home, ActorKind.Pod, _mesh.At(address), identity, new Dictionary<string, string>
        {
            ["k8s:app"] = app,
            ["k8s:io.kubernetes.pod.namespace"] = ns,
            ["k8s:io.cilium.k8s.policy.cluster"] = home,
        });

    private LocalNodeSpec Local(string home)
    {
        LocalNodeSpec spec = TestNode.LocalSpec();
        string pods = home == "west" ? "10.0.1" : "10.1.1";
        return spec with
        {
            Name = $"{home}-worker",
            Cluster = home,
            Addresses = [new InterfaceAddress(Address(home), _mesh.Prefix("172.18.0.0/16"))],
            PodCidrs = [_mesh.Prefix($"{pods}.0/24")],
            RouterAddresses = [_mesh.At($"{pods}.1")],
            NativeRoutingCidrs = [_mesh.Prefix("10.0.0.0/8")],
            Labels = new Dictionary<string, string> { ["role"] = "worker" },
            Uplink = spec.Uplink! with { Mac = TestNode.MacOf(Address(home)), Gateways = [_mesh.Gateway] },
        };
    }

    private DesiredChange Start(string home)
    {
        string other = home == "west" ? "east" : "west";
        return new DesiredChange
        {
            Masquerade = new MasqueradeSpec(true, []),
            Endpoints = [.. Actors.Where(a => a.Kind == ActorKind.Pod && a.Home == home).Select((a, i) =>
                new EndpointSpec(a.Name, a.Name, "eth0", new MacAddress(0x0200_0A00_0000u | (uint)(i + 1)), [a.Address], "test"))],
            Nodes = [new NodeSpec($"{other}-worker", other, [Address(other)], [_mesh.Prefix(other == "west" ? "10.0.1.0/24" : "10.1.1.0/24")], "test")],
            Ipcache = [.. Actors.Where(a => a.Kind == ActorKind.Pod).Select(a => new IpcacheSpec(IpPrefix.Host(a.Address), a.Identity, default, 0, IpcacheFlags.None, a.Home, "", "test"))],
            Identities = [.. Actors.Where(a => a.Kind == ActorKind.Pod).Select(a => new IdentitySpec(a.Identity, [.. a.Labels.Select(l => $"{l.Key}={l.Value}")], "test"))],
        };
    }
}
