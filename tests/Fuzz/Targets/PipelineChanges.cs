using ClusterMesh.Datapath.State.Desired;
using ClusterMesh.Datapath.Testing;
using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.Fuzz.Targets;

/// <summary>The changes of configuration that a program of <see cref="PipelineTarget"/> can name: each kind in as many forms as a byte has.</summary>
internal static class PipelineChanges
{
    private static readonly Func<TestMesh, IpAddress>[] s_backends = [m => m.Webpod1, m => m.Webpod2, m => m.EastPod, m => m.CurlPod, m => m.WestPod];
    private static readonly TestMesh s_ipv4 = new(Family.Ipv4);
    private static readonly TestMesh s_ipv6 = new(Family.Ipv6);

    public static DesiredChange Of(byte kind, byte argument) => (kind % 12) switch
    {
        0 => new() { Services = [TestNode.Service("default/webpod", (argument & 64) == 0 ? IpProtocol.Tcp : IpProtocol.Udp, 80, 30080, (ushort)((argument & 32) == 0 ? 80 : 8080), Backends(argument))] },
        1 => new() { Masquerade = (argument % 3) switch { 0 => TestNode.MasqueradeOf(), 1 => TestNode.MasqueradeOf("10.1.0.0/16", "169.254.0.0/16"), _ => new MasqueradeSpec(false, []) } },
        2 => new() { Replace = true, Nodes = [.. Nodes(argument)] },
        3 => new() { Replace = true, Policies = [.. Policies(argument)] },
        4 => new() { Replace = (argument & 128) != 0, Identities = [.. Identities(argument)], Ipcache = [.. Entries(argument)] },
        5 => new() { Replace = true, Endpoints = [.. TestNode.WalkThrough().Endpoints!.Where((_, i) => i == 0 || (argument >> i & 1) != 0)] },
        6 => new() { Services = [TestNode.Balanced(Backends(argument)) with { AffinitySeconds = (uint)(argument >> 5) * 30 }] },
        7 => new() { Replace = true, Routes = (argument & 1) == 0 ? [] : [new RouteSpec(IpPrefix.Parse("203.0.113.0/24"), s_ipv4.Neighbor, "fuzz")] },
        8 => new() { Services = [TestNode.Balanced(Backends(argument)) with { SourceRanges = [IpPrefix.Parse("203.0.113.0/28")], DeniesSourceRanges = (argument & 32) != 0, IsExternalLocal = (argument & 64) != 0, IsInternalLocal = (argument & 128) != 0 }] },
        9 => new() { Replace = true, Services = [] },
        10 => new() { Services = [TestNode.Balanced(Backends(argument)) with { Algorithm = (LoadBalancingAlgorithm)(argument >> 5 & 1) }] },
        _ => TestNode.WalkThrough() with { Replace = true },
    };

    private static Func<TestMesh, IpAddress>[] Backends(byte argument) => [.. s_backends.Where((_, i) => (argument >> i & 1) != 0)];

    private static IEnumerable<NodeSpec> Nodes(byte argument)
    {
        if ((argument & 1) != 0)
        {
            yield return new NodeSpec("west-control-plane", "west", [s_ipv4.ControlPlane, s_ipv6.ControlPlane], [s_ipv4.Prefix("10.0.0.0/24"), s_ipv6.Prefix("10.0.0.0/24")], "fuzz") { ClusterId = 1 };
        }

        if ((argument & 2) != 0)
        {
            IpAddress[] addresses = (argument & 4) != 0 ? [s_ipv4.EastWorker, s_ipv6.EastWorker] : [s_ipv4.Neighbor, s_ipv6.Neighbor];
            yield return new NodeSpec("east-worker", "east", addresses, [s_ipv4.Prefix("10.1.1.0/24"), s_ipv6.Prefix("10.1.1.0/24")], "fuzz") { ClusterId = argument >> 6 };
        }
    }

    private static IEnumerable<PolicySpec> Policies(byte argument)
    {
        PolicyPeerSpec world = new(null, "world", null, []);
        PolicyPeerSpec outside = new(null, null, IpPrefix.Parse("203.0.113.0/24"), (argument & 1) == 0 ? [] : [IpPrefix.Parse("203.0.113.9/32")]);
        PolicyPeerSpec pods = new(LabelSelector.Exactly("k8s:app", "webpod"), null, null, []);
        PolicyPeerSpec[] peers = [.. ((PolicyPeerSpec[])[world, outside, pods]).Where((_, i) => (argument >> i & 1) != 0)];
        PolicyPortSpec[]? ports = (argument & 8) == 0 ? null : [new PolicyPortSpec(IpProtocol.Tcp, 80, (ushort)((argument & 16) == 0 ? 80 : 30080)), new PolicyPortSpec(IpProtocol.Icmp, 8, 8)];
        if ((argument & 128) != 0)
        {
            yield break;
        }

        yield return new PolicySpec(
            "default/fuzz", "NetworkPolicy", LabelSelector.Everything, false, (argument & 32) != 0, (argument & 64) != 0,
            [new PolicyRuleSpec((argument & 32) != 0, (argument & 2) != 0, peers, ports, "fuzz")], "fuzz");
    }

    private static IEnumerable<IdentitySpec> Identities(byte argument) =>
        Enumerable.Range(0, argument & 3).Select(i => new IdentitySpec((uint)(65_536 + 256 + i), [$"k8s:app={(i == 0 ? "webpod" : "other")}"], "fuzz"));

    private static IEnumerable<IpcacheSpec> Entries(byte argument)
    {
        uint identity = (uint)(65_536 + 256 + (argument >> 2 & 3));
        if ((argument & 16) != 0)
        {
            yield return new IpcacheSpec(IpPrefix.Host(s_ipv4.EastPod), identity, (argument & 32) != 0 ? s_ipv4.EastWorker : default, 0, 0, "east", "kvstore", "fuzz");
        }

        if ((argument & 64) != 0)
        {
            yield return new IpcacheSpec(IpPrefix.Host(s_ipv6.CurlPod), identity, default, 0, 0, "west", "kvstore", "fuzz");
        }
    }
}
