using ClusterMesh.Datapath.Pipeline;
using ClusterMesh.Datapath.State.Desired;
using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.State.Tests;

/// <summary>Which backends a frontend shows, in which order, and which of them new flows get: states, affinity, traffic policies, topology.</summary>
public sealed class CandidateTests
{
    private const string Vip = "10.2.0.1:80";

    /// <summary>State and cluster of each backend, by its last number; what is shown, and which of that new flows get.</summary>
    [Theory]
    [InlineData("2active 1active", "1 2", "1 2")]
    [InlineData("1terminating 2active", "2 1", "2")]
    [InlineData("1terminating 2terminating", "1 2", "1 2")]
    [InlineData("1quarantined 2terminating-not-serving 3maintenance 4active", "4 2 1 3", "4")]
    [InlineData("1quarantined 2terminating-not-serving 3maintenance 4terminating", "4 2 1 3", "4")]
    [InlineData("1quarantined 2terminating-not-serving 3maintenance", "2 1 3", "")]
    [InlineData("", "", "")]
    public void States(string backends, string shown, string candidates) => Same(Service(backends), shown, candidates);

    /// <summary>Preferred and active ones, else active ones, else terminating ones.</summary>
    [Theory]
    [InlineData(ClusterAffinity.None, "1active 2active@east", "1 2", "1 2", "")]
    [InlineData(ClusterAffinity.Local, "1active 2active@east", "1 2", "1", "1")]
    [InlineData(ClusterAffinity.Remote, "1active 2active@east", "1 2", "2", "2")]
    [InlineData(ClusterAffinity.Local, "2active 1active@east", "1 2", "2", "2")]
    [InlineData(ClusterAffinity.Local, "1terminating 2active@east", "2 1", "2", "1")]
    [InlineData(ClusterAffinity.Local, "1quarantined 2active@east", "2 1", "2", "1")]
    [InlineData(ClusterAffinity.Remote, "1active", "1", "1", "")]
    [InlineData(ClusterAffinity.Remote, "1active 2terminating@east", "1 2", "1", "2")]
    [InlineData(ClusterAffinity.Local, "1terminating 2terminating@east", "1 2", "1 2", "1")]
    public void Affinity(ClusterAffinity affinity, string backends, string shown, string candidates, string preferred)
    {
        ServiceSpec service = Service(backends) with { IsGlobal = true, Affinity = affinity };
        Same(service, shown, candidates);
        Assert.Equal(preferred, string.Join(' ', service.Backends.Where(b => service.IsPreferred(b, "west")).Select(b => Number(b.Address))));
        Assert.DoesNotContain(service.Backends, b => (service with { IsGlobal = false }).IsPreferred(b, "west"));
    }

    /// <summary>With too few of its own cluster, others' are used beside them, not instead.</summary>
    [Theory]
    [InlineData(ClusterAffinity.Local, "1active 2active 3active@east", "1 2 3", "1 2")]
    [InlineData(ClusterAffinity.Local, "1active 2terminating 3active@east", "1 3 2", "1 3")]
    [InlineData(ClusterAffinity.Local, "1active", "1", "1")]
    [InlineData(ClusterAffinity.Local, "1terminating 2terminating@east", "1 2", "1 2")]
    [InlineData(ClusterAffinity.Remote, "1active 2active 3active@east", "1 2 3", "3")]
    public void Affinity_for_the_own_cluster_may_want_more_than_one_backend(ClusterAffinity affinity, string backends, string shown, string candidates) =>
        Same(Service(backends) with { IsGlobal = true, Affinity = affinity, LeastLocalBackends = 2 }, shown, candidates);

    [Theory]
    [InlineData(false, false, "1 2 3 4", "1 2 3 4")]
    [InlineData(true, false, "1 3 4", "1 2 3 4")]
    [InlineData(false, true, "1 2 3 4", "1 3 4")]
    [InlineData(true, true, "1 3 4", "1 3 4")]
    public void Traffic_policies(bool isExternalLocal, bool isInternalLocal, string outside, string inside)
    {
        ServiceSpec service = Service("1active 2active@other 3active@nowhere 4active@east") with
        {
            IsExternalLocal = isExternalLocal,
            IsInternalLocal = isInternalLocal,
            Frontends =
            [
                .. new[] { ServiceType.ClusterIP, ServiceType.LoadBalancer, ServiceType.ExternalIPs, ServiceType.HostPort }.Select((type, i) => new FrontendSpec(type, IpAddress.Parse($"10.2.0.{i + 1}"), 80)),
                new FrontendSpec(ServiceType.NodePort, null, 30080),
            ],
        };
        Snapshot snapshot = Wanted.Writer().Apply(service);
        Assert.Equal((inside, null), (Shown(snapshot.Frontend(Vip)), snapshot.Frontend(Vip).Internal));
        Assert.Equal("1 2 3 4", Shown(snapshot.Frontend("10.2.0.4:80")));
        foreach (string at in (string[])["10.2.0.2:80", "10.2.0.3:80", "172.18.0.5:30080", "0.0.0.0:30080"])
        {
            Frontend frontend = snapshot.Frontend(at);
            Assert.Equal(outside, Shown(frontend));
            Assert.Equal(inside, Shown(frontend.Internal ?? frontend));
            Assert.Equal(isExternalLocal != isInternalLocal, frontend.Internal is not null);
            Assert.Equal((isExternalLocal, isInternalLocal), (frontend.IsLocalOnly, (frontend.Internal ?? frontend).IsLocalOnly));
            if (frontend.Internal is { } inner)
            {
                Assert.NotEqual(frontend.Id, inner.Id);
                Assert.True(snapshot.Services.TryGet(inner.Id, out Frontend? found) && ReferenceEquals(found, inner) && inner.IsInternal);
            }
        }
    }

    [Theory]
    [InlineData("a", "1:a 2:b 3:a,b", "1 3")]
    [InlineData("c", "1:a 2:b 3:a,b", "1 2 3")]
    [InlineData("a", "1:a 2: 3:a,b", "1 2 3")]
    [InlineData("", "1:a 2:b", "1 2")]
    public void Topology(string zone, string hints, string shown)
    {
        ServiceSpec service = Service("") with
        {
            UsesTopology = true,
            Backends = [.. hints.Split(' ').Select(h => new BackendSpec(IpAddress.Parse($"10.0.1.{h[0]}"), 80, "west", "", ForZones: h[2..]))],
        };
        LocalNodeSpec node = Wanted.WestWorker with
        {
            Labels = new Dictionary<string, string> { ["topology.kubernetes.io/zone"] = zone },
            LoadBalancer = new LoadBalancerSpec { HasServiceTopology = true },
        };
        Assert.Equal(shown, Shown(Wanted.Writer(node).Apply(service).Frontend(Vip)));
        string all = string.Join(' ', hints.Split(' ').Select(h => h[0]));
        Assert.Equal(all, Shown(Wanted.Writer(node with { LoadBalancer = LoadBalancerSpec.Default }).Apply(service).Frontend(Vip)));
        Assert.Equal(all, Shown(Wanted.Writer(node).Apply(service with { UsesTopology = false }).Frontend(Vip)));
    }

    [Theory]
    [InlineData(null, "10.2.0.1:80 172.18.0.5:30080 0.0.0.0:30080 192.0.2.1:80")]
    [InlineData(ServiceType.ClusterIP, "10.2.0.1:80")]
    [InlineData(ServiceType.NodePort, "172.18.0.5:30080 0.0.0.0:30080")]
    [InlineData(ServiceType.LoadBalancer, "192.0.2.1:80")]
    public void Only_one_type(ServiceType? only, string installed)
    {
        StateWriter writer = Wanted.Writer();
        writer.Apply(Wanted.Service("web", "10.2.0.1:80 node:30080", "10.0.1.1:80") with
        {
            OnlyType = only,
            Frontends = [.. Wanted.Service("web", "10.2.0.1:80 node:30080").Frontends, new FrontendSpec(ServiceType.LoadBalancer, IpAddress.Parse("192.0.2.1"), 80)],
        });
        Assert.Equal(installed, string.Join(' ', writer.FrontendsOf("web").Select(f => FlowKey.Endpoint(f.Address, f.Port))));
    }

    [Fact]
    public void A_service_is_on_the_nodes_that_its_selector_matches()
    {
        LocalNodeSpec node = Wanted.WestWorker with { Labels = new Dictionary<string, string> { ["service.cilium.io/node"] = "beefy" } };
        foreach ((LabelSelector selector, bool isThere) in ((LabelSelector, bool)[])[(LabelSelector.Exactly("service.cilium.io/node", "beefy"), true), (LabelSelector.Exactly("service.cilium.io/node", "slow"), false)])
        {
            StateWriter writer = Wanted.Writer(node);
            writer.Apply(Wanted.Service("web", Vip, "10.0.1.1:80") with { Nodes = selector });
            Assert.Equal(isThere ? 1 : 0, writer.FrontendCount);

            // Where it is not, another may have its address.
            if (!isThere)
            {
                writer.Apply(Wanted.Service("other", Vip));
                Assert.Equal(1, writer.FrontendCount);
            }
        }
    }

    [Fact]
    public void Frontends_and_backends_of_a_headless_service()
    {
        StateWriter writer = Wanted.Writer();
        writer.Apply(Wanted.Service("web", Vip, "10.0.1.1:80") with { Frontends = [] });
        Assert.Equal((0, 1), (writer.FrontendCount, writer.BackendCount));
    }

    /// <summary>Maglev is the node's for what the node network can ask for; a ClusterIP has it by annotation, or where the network can.</summary>
    [Theory]
    [InlineData(LoadBalancingAlgorithm.Random, false, null, false, false)]
    [InlineData(LoadBalancingAlgorithm.Maglev, false, null, false, true)]
    [InlineData(LoadBalancingAlgorithm.Maglev, true, null, true, true)]
    [InlineData(LoadBalancingAlgorithm.Random, false, LoadBalancingAlgorithm.Maglev, true, true)]
    [InlineData(LoadBalancingAlgorithm.Maglev, true, LoadBalancingAlgorithm.Random, false, false)]
    public void Algorithm(LoadBalancingAlgorithm nodes, bool isExternal, LoadBalancingAlgorithm? own, bool clusterIp, bool nodePort)
    {
        LocalNodeSpec node = Wanted.WestWorker with { LoadBalancer = new LoadBalancerSpec { Algorithm = nodes, IsClusterIpExternal = isExternal, MaglevTableSize = 251 } };
        Snapshot snapshot = Wanted.Writer(node).Apply(Wanted.Service("web", "10.2.0.1:80 node:30080", "10.0.1.1:80") with { Algorithm = own });
        Assert.Equal(clusterIp, snapshot.Frontend(Vip).Set.Maglev is not null);
        Assert.Equal(nodePort, snapshot.Frontend("172.18.0.5:30080").Set.Maglev is not null);
    }

    [Fact]
    public void A_maglev_table_is_made_anew_when_its_candidates_change_and_only_then()
    {
        StateWriter writer = Wanted.Writer(Wanted.WestWorker with { LoadBalancer = new LoadBalancerSpec { MaglevTableSize = 1021 } });
        ServiceSpec service = Service("1active 2active 3active") with { Algorithm = LoadBalancingAlgorithm.Maglev };
        MaglevTable first = writer.Apply(service).Frontend(Vip).Set.Maglev!;
        Assert.Same(first, writer.Apply(service with { AffinitySeconds = 60 }).Frontend(Vip).Set.Maglev);
        Assert.Same(first, writer.Apply(service with { Backends = [.. service.Backends, service.Backends[0] with { Address = IpAddress.Parse("10.0.1.9"), State = BackendState.Quarantined }] }).Frontend(Vip).Set.Maglev);
        MaglevTable fewer = writer.Apply(service with { Backends = [.. service.Backends.Take(2)] }).Frontend(Vip).Set.Maglev!;
        Assert.NotSame(first, fewer);
        Assert.All(Enumerable.Range(0, fewer.Size), i => Assert.InRange(fewer[i], 0, 1));
        Assert.NotSame(fewer, writer.Apply(service with { Backends = [.. service.Backends.Take(2).Select((b, i) => b with { Weight = (ushort)(i + 1) })] }).Frontend(Vip).Set.Maglev);
        Assert.Null(writer.Apply(service with { Backends = [] }).Frontend(Vip).Set.Maglev);
    }

    [Theory]
    [InlineData("", false)]
    [InlineData("a", true)]
    [InlineData("!a", false)]
    [InlineData("!z", true)]
    [InlineData("a=1", true)]
    [InlineData("a==1, b in (x, y)", true)]
    [InlineData("a=1,b in (y,z)", false)]
    [InlineData("a!=1", false)]
    [InlineData("z!=1", true)]
    [InlineData("b notin (y)", true)]
    [InlineData("b notin (x)", false)]
    [InlineData("z notin (x)", true)]
    [InlineData("a>0", true)]
    [InlineData("a<1", false)]
    [InlineData("service.cilium.io/node in (slow, beefy)", true)]
    public void Selectors(string text, bool matches)
    {
        bool isSelector = LabelSelector.TryParse(text, out LabelSelector? selector);
        Assert.Equal(text.Length > 0, isSelector);
        Assert.Equal(matches, isSelector && selector!.Matches(new Dictionary<string, string> { ["a"] = "1", ["b"] = "x", ["service.cilium.io/node"] = "beefy" }));
    }

    [Theory]
    [InlineData("a b")]
    [InlineData("a in x")]
    [InlineData("a in (x")]
    [InlineData("in (x)")]
    [InlineData("a=b=c")]
    [InlineData("a>x")]
    [InlineData("a,")]
    [InlineData("!")]
    [InlineData("a outof (x)")]
    public void No_selectors(string text) => Assert.False(LabelSelector.TryParse(text, out _));

    private static ServiceSpec Service(string backends) => Wanted.Service("web", Vip) with
    {
        Backends = [.. backends.Split(' ', StringSplitOptions.RemoveEmptyEntries).Select(Backend)],
    };

    /// <summary>2active, 2active@east, 2active@other (a node of this cluster), 2active@nowhere (nobody knows the node).</summary>
    private static BackendSpec Backend(string text)
    {
        string[] parts = text[1..].Split('@');
        string where = parts.Length > 1 ? parts[1] : "here";
        Assert.True(ServiceNames.TryParse(parts[0], out BackendState state), text);
        return new BackendSpec(
            IpAddress.Parse($"10.0.1.{text[0]}"), 80, where == "east" ? "east" : "west",
            where switch { "here" => "west-worker", "other" => "west-other", "east" => "east-worker", _ => "" }, state);
    }

    private static void Same(ServiceSpec service, string shown, string candidates)
    {
        Frontend frontend = Wanted.Writer().Apply(service).Frontend(Vip);
        Assert.Equal(shown, Shown(frontend));
        Assert.Equal(candidates, string.Join(' ', Enumerable.Range(0, frontend.Set.CandidateCount).Select(i => Number(frontend.Set.Candidate(i).Address))));
    }

    private static string Shown(Frontend frontend) => string.Join(' ', frontend.Backends.Select(b => Number(b.Address)));

    private static string Number(IpAddress address) => address.ToString()[^1..];
}
