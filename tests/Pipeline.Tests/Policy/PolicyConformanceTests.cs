using ClusterMesh.Datapath.State.Desired;
using ClusterMesh.Datapath.Testing;
using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.Pipeline.Tests.Policy;

/// <summary>
/// The table of policies: direction x peers x ports x allow or deny. For each, packets go between everybody and the pods that it selects, in both
/// clusters, and must fare as <see cref="ReferencePolicy"/> says.
/// </summary>
public sealed class PolicyConformanceTests
{
    private static readonly string[] s_peers =
    [
        "everybody", "nobody", "labels", "labels of another namespace", "labels of the other cluster", "labels of any cluster", "world", "cluster", "host", "remote-node",
        "all", "cidr", "cidr with exception", "everything but a cidr", "labels or a cidr",
    ];

    private static readonly string[] s_ports = ["all", "one", "range", "protocol", "any protocol", "two protocols", "icmp"];

    public static TheoryData<bool, string, string, bool> Table
    {
        get
        {
            TheoryData<bool, string, string, bool> rows = [];
            foreach (bool isIngress in (bool[])[true, false])
            {
                foreach (string peers in s_peers)
                {
                    foreach (string ports in s_ports)
                    {
                        rows.Add(isIngress, peers, ports, false);
                        rows.Add(isIngress, peers, ports, true);
                    }
                }
            }

            return rows;
        }
    }

    [Theory]
    [MemberData(nameof(Table))]
    public void Packets_fare_as_the_rules_say(bool isIngress, string peers, string ports, bool isDeny)
    {
        foreach (Family family in (Family[])[Family.Ipv4, Family.Ipv6])
        {
            var world = new PolicyWorld(family);
            var rule = new PolicyRuleSpec(isIngress, isDeny, PeersOf(peers, world.Mesh), PortsOf(ports, world.Mesh), "test");
            PolicyRuleSpec everything = rule with { IsDeny = false, Peers = null, Ports = null };
            Check(world, Policy("default/a", isIngress, isDeny ? [everything, rule] : [rule]));
        }
    }

    /// <summary>Random policies on top of each other, changed again and again: each change is compiled by difference.</summary>
    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(4)]
    public void Many_policies_changed_again_and_again_fare_as_the_rules_say(int seed)
    {
        var random = new Random(seed);
        var world = new PolicyWorld(seed % 2 == 0 ? Family.Ipv6 : Family.Ipv4);
        List<PolicySpec> policies = [];
        for (int step = 0; step < 25; step++)
        {
            if (policies.Count > 0 && random.Next(3) == 0)
            {
                policies.RemoveAt(random.Next(policies.Count));
            }

            PolicySpec policy = Policy($"default/{random.Next(6)}", random.Next(2) == 0,
            [
                .. Enumerable.Range(0, random.Next(4)).Select(_ => new PolicyRuleSpec(
                    random.Next(2) == 0, random.Next(4) == 0, PeersOf(s_peers[random.Next(s_peers.Length)], world.Mesh), PortsOf(s_ports[random.Next(s_ports.Length)], world.Mesh), "test")),
            ]) with
            {
                Subject = Selector(random.Next(3) == 0 ? "k8s:app=curl" : "k8s:app=web"),
                DeniesIngress = random.Next(2) == 0,
                DeniesEgress = random.Next(2) == 0,
            };
            policies.RemoveAll(p => p.Name == policy.Name);
            policies.Add(policy);
            Check(world, [.. policies]);
        }
    }

    private static void Check(PolicyWorld world, params PolicySpec[] policies)
    {
        world.Apply(policies);
        IpProtocol icmp = world.Mesh.Icmp;
        (IpProtocol Protocol, ushort Port)[] kinds = [(IpProtocol.Tcp, 80), (IpProtocol.Tcp, 79), (IpProtocol.Tcp, 8_085), (IpProtocol.Udp, 53), (icmp, icmp == IpProtocol.Icmp ? (ushort)8 : (ushort)128)];
        foreach (Actor from in world.Actors)
        {
            foreach (Actor to in world.Actors.Where(a => a != from && (a.Kind == ActorKind.Pod || from.Kind == ActorKind.Pod)))
            {
                foreach ((IpProtocol protocol, ushort port) in kinds)
                {
                    DropReason wanted = ReferencePolicy.Decide(policies, from, to, protocol, port);
                    DropReason got = world.Send(from, to, protocol, port);
                    Assert.True(wanted == got, $"{from} to {to}, {port}/{protocol}: wanted {wanted}, got {got}, with {string.Join("; ", policies.SelectMany(p => p.Rules.Select(r => Shown(p, r))))}");
                }
            }
        }
    }

    private static string Shown(PolicySpec policy, PolicyRuleSpec rule) =>
        $"{policy.Name} for {policy.Subject.Text}: {(rule.IsDeny ? "deny" : "allow")} {(rule.IsIngress ? "ingress" : "egress")} "
        + $"{(rule.Peers is null ? "everybody" : string.Join(" or ", rule.Peers.Select(p => p.Text)))} {(rule.Ports is null ? "all ports" : string.Join(", ", rule.Ports))}";

    private static PolicySpec Policy(string name, bool isIngress, PolicyRuleSpec[] rules) =>
        new(name, "CiliumNetworkPolicy", Selector("k8s:app=web"), false, isIngress, !isIngress, rules, "test");

    private static LabelSelector Selector(string text) => LabelSelector.TryParse(text, out LabelSelector? selector) ? selector! : throw new ArgumentException(text);

    private static PolicyPeerSpec[]? PeersOf(string peers, Mesh m) => peers switch
    {
        "everybody" => null,
        "nobody" => [],
        "labels" => [Labels("k8s:app=curl,k8s:io.kubernetes.pod.namespace=default,k8s:io.cilium.k8s.policy.cluster=west")],
        "labels of another namespace" => [Labels("k8s:io.kubernetes.pod.namespace=other")],
        "labels of the other cluster" => [Labels("k8s:app=curl,k8s:io.cilium.k8s.policy.cluster=east")],
        "labels of any cluster" => [Labels("k8s:app=curl")],
        "cidr" => [Cidr(m, "203.0.113.0/24")],
        "cidr with exception" => [Cidr(m, "203.0.0.0/16", "203.0.77.0/24")],
        "everything but a cidr" => [Cidr(m, "0.0.0.0/0", "203.0.0.0/16")],
        "labels or a cidr" => [Labels("k8s:app=web"), Cidr(m, "198.51.100.0/24")],
        _ => [new PolicyPeerSpec(null, peers, null, [])],
    };

    private static PolicyPortSpec[]? PortsOf(string ports, Mesh m) => ports switch
    {
        "all" => null,
        "one" => [new PolicyPortSpec(IpProtocol.Tcp, 80, 80)],
        "range" => [new PolicyPortSpec(IpProtocol.Tcp, 80, 8_090)],
        "protocol" => [new PolicyPortSpec(IpProtocol.Tcp, null, 0)],
        "any protocol" => [new PolicyPortSpec(ServiceTable.AnyProtocol, 53, 79)],
        "two protocols" => [new PolicyPortSpec(IpProtocol.Udp, 53, 53), new PolicyPortSpec(IpProtocol.Tcp, 79, 79)],
        _ => [new PolicyPortSpec(m.Icmp, m.IsIpv4 ? (ushort)8 : (ushort)128, m.IsIpv4 ? (ushort)8 : (ushort)128)],
    };

    private static PolicyPeerSpec Labels(string selector) => new(Selector(selector), null, null, []);

    private static PolicyPeerSpec Cidr(Mesh m, string cidr, params string[] except) => new(null, null, m.Prefix(cidr), [.. except.Select(m.Prefix)]);
}
