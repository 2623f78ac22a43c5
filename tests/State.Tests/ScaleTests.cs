using System.Diagnostics;
using ClusterMesh.Datapath.Pipeline;
using ClusterMesh.Datapath.State.Desired;
using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.State.Tests;

/// <summary>What large configurations cost: the work of a change is bounded, its time is reported.</summary>
public sealed class ScaleTests(ITestOutputHelper output)
{
    [Fact]
    public void Ten_thousand_services_in_one_change()
    {
        StateWriter writer = Wanted.Writer();
        ServiceSpec[] services =
        [
            .. Enumerable.Range(0, 10_000).Select(i => Wanted.Service(
                $"default/service-{i}", $"10.{64 + i / 62_500}.{i / 250 % 250}.{i % 250}:80",
                string.Join(' ', Enumerable.Range(0, 4).Select(b => $"10.{100 + b}.{i / 250}.{i % 250}:8080")))),
        ];
        Report("10,000 services with 4 backends each", () => writer.Apply(services));
        Assert.Equal((10_000, 40_000), (writer.FrontendCount, writer.BackendCount));
        Assert.Equal("10.100.39.249:8080 10.101.39.249:8080 10.102.39.249:8080 10.103.39.249:8080", writer.Current.Frontend("10.64.39.249:80").Backends());
        Snapshot before = writer.Current;
        Report("the same again", () => writer.Apply(services));
        Assert.Same(before, writer.Current);
        long one = Report("other backends for one of them", () => writer.Apply(Wanted.Service("default/service-7", "10.64.0.7:80", "10.100.0.7:8080")));
        Assert.Equal("10.100.0.7:8080", writer.Current.Frontend("10.64.0.7:80").Backends());
        Assert.InRange(one, 0, 100_000);
    }

    /// <summary>What the mesh's acceptance asks for; benchmarks/services has its time.</summary>
    [Fact]
    public void One_backend_changed_costs_the_same_among_a_million()
    {
        StateWriter few = Wanted.Writer();
        few.Apply([.. Enumerable.Range(0, 10).Select(i => Numbered(i, 0))]);
        long alone = Report("one backend among 100", () => few.Apply(Numbered(7, 1)));
        StateWriter many = Wanted.Writer();
        Report("100,000 services with 10 backends each", () => many.Apply([.. Enumerable.Range(0, 100_000).Select(i => Numbered(i, 0))]));
        Assert.Equal((100_000, 1_000_000), (many.FrontendCount, many.BackendCount));
        long among = Report("one backend among a million", () => many.Apply(Numbered(7, 1)));
        Assert.Equal(81, many.Current.Frontend("10.64.0.7:80").Backends[^1].Port);
        Assert.InRange(among, 0, alone + 64 * 1024);
        Assert.InRange(Report("one service more", () => many.Apply(Numbered(100_000, 0))), 0, alone + 64 * 1024);
        Assert.InRange(Report("one service less", () => many.Delete(ObjectKind.Service, "default/service-100000")), 0, alone + 64 * 1024);
        Assert.Equal((100_000, 1_000_000), (many.FrontendCount, many.BackendCount));
    }

    [Fact]
    public void One_route_more_costs_the_same_among_a_million()
    {
        long alone = OneRouteAmong(0);
        long amongMany = OneRouteAmong(1_000_000);

        // Bytes, not time: a walk over the whole set shows in either, a busy machine only in time. The trie is deeper: allow some blocks.
        Assert.InRange(amongMany, 0, alone + 64 * 1024);
    }

    /// <summary>A mesh has hundreds of thousands of pods, and each that comes or goes is told by itself.</summary>
    [Fact]
    public void One_pod_more_costs_the_same_among_300_000()
    {
        long alone = OnePodAmong(0);
        Assert.InRange(OnePodAmong(300_000), 0, alone + 64 * 1024);
    }

    private static ServiceSpec Numbered(int number, int change) => new(
        $"default/service-{number}", IpProtocol.Tcp, [new FrontendSpec(ServiceType.ClusterIP, IpAddress.FromIpv4(0x0A40_0000u + (uint)number), 80)],
        [.. Enumerable.Range(0, 10).Select(b => new BackendSpec(IpAddress.FromIpv4(0x0B00_0000u + (uint)(number * 10 + b)), (ushort)(80 + (b == 9 ? change : 0)), "west", ""))], "many");

    private long OneRouteAmong(int count)
    {
        StateWriter writer = Wanted.Writer();
        IpAddress[] hops = Wanted.Addresses("172.18.0.100", "172.18.0.101");
        RouteSpec[] routes = [.. Enumerable.Range(0, count).Select(i => new RouteSpec(IpPrefix.Containing(IpAddress.FromIpv4(0x4000_0000u + (uint)i * 256), 24), hops[i & 1], "many"))];
        Report($"{count:n0} routes", () => writer.Apply(new DesiredChange { Routes = routes }));
        Assert.Equal(count, writer.Desired.Routes.Count);
        for (int i = 0; i < 20; i++)
        {
            Toggle(writer, i);
        }

        long bytes = Report($"one route among {count:n0}", () => Toggle(writer, 0));
        Report($"deleting one route among {count:n0}", () => writer.Delete(ObjectKind.Route, "20.1.1.0/24"));
        Assert.Equal(count, writer.Desired.Routes.Count);
        return bytes;
    }

    /// <summary>10,000 identities and 1,000 rules; benchmarks/policy has the times.</summary>
    [Fact]
    public void One_identity_more_costs_little_among_ten_thousand_and_a_thousand_rules()
    {
        StateWriter writer = Wanted.Writer();
        writer.Apply(new DesiredChange
        {
            Endpoints = [Wanted.Endpoint("a", "10.0.1.5")],
            Ipcache = [IpcacheTests.Entry("10.0.1.5/32", 70_000)],
            Identities = [.. Enumerable.Range(0, 10_000).Select(PodIdentity)],
        });
        Report("1,000 rules on 10,000 identities", () => writer.Apply(new DesiredChange { Policies = [.. Enumerable.Range(0, 1_000).Select(OneRule)] }));
        Assert.Equal(PolicyDecisionKind.Allow, Decide(writer, 70_007, 8_007));
        Assert.Equal(PolicyDecisionKind.DefaultDeny, Decide(writer, 70_007, 8_008));
        Assert.InRange(Report("one identity more", () => writer.Apply(new DesiredChange { Identities = [PodIdentity(10_007)] })), 0, 200_000);
        Assert.Equal(PolicyDecisionKind.Allow, Decide(writer, 80_007, 8_007));
        Assert.InRange(Report("one identity less", () => writer.Delete(ObjectKind.Identity, "80007")), 0, 200_000);
        Assert.Equal(PolicyDecisionKind.DefaultDeny, Decide(writer, 80_007, 8_007));
    }

    private static PolicyDecisionKind Decide(StateWriter writer, uint peer, ushort port) => writer.Current.Policies.Of(2)!.Ingress!.Lookup(peer, IpProtocol.Tcp, port).Kind;

    private static IdentitySpec PodIdentity(int i) => new((uint)(70_000 + i), [$"k8s:app=app-{i % 1_000}", $"k8s:io.kubernetes.pod.namespace=ns-{i % 37}"], "many");

    private static PolicySpec OneRule(int i) => new(
        $"default/rule-{i}", "", LabelSelector.Everything, false, true, false,
        [new PolicyRuleSpec(true, false, [new PolicyPeerSpec(LabelSelector.Exactly("k8s:app", $"app-{i}"), null, null, [])], [new PolicyPortSpec(IpProtocol.Tcp, (ushort)(8_000 + i), (ushort)(8_000 + i))], "many")],
        "many");

    private long OnePodAmong(int count)
    {
        StateWriter writer = Wanted.Writer();
        IpcacheSpec[] pods = [.. Enumerable.Range(0, count).Select(i => new IpcacheSpec(
            IpPrefix.Host(IpAddress.FromIpv4(0x0B00_0000u + (uint)i)), 131_072u + (uint)(i % 10_000), IpAddress.FromIpv4(0xAC12_0000u + (uint)(i % 3_000)), 0,
            IpcacheFlags.None, "east", "kvstore", "many"))];
        Report($"{count:n0} pods", () => writer.Apply(new DesiredChange { Ipcache = pods }));
        Assert.Equal(count, writer.Desired.Ipcache.Count);
        for (int i = 0; i < 20; i++)
        {
            TogglePod(writer, i);
        }

        return Report($"one pod among {count:n0}", () => TogglePod(writer, 0));
    }

    private static void TogglePod(StateWriter writer, int i)
    {
        writer.Apply(new DesiredChange { Ipcache = [IpcacheTests.Entry("11.77.0.1/32", (uint)(131_072 + (i % 2)), "172.18.0.2", "east")] });
        writer.Reclaim(writer.Current);
    }

    private static void Toggle(StateWriter writer, int i)
    {
        writer.Apply(new DesiredChange { Routes = [Wanted.Route("20.1.1.0/24", i % 2 == 0 ? "172.18.0.100" : "172.18.0.101")] });
        writer.Reclaim(writer.Current);
    }

    private long Report(string what, Action action)
    {
        long before = GC.GetAllocatedBytesForCurrentThread();
        long start = Stopwatch.GetTimestamp();
        action();
        TimeSpan time = Stopwatch.GetElapsedTime(start);
        long bytes = GC.GetAllocatedBytesForCurrentThread() - before;
        output.WriteLine($"{what}: {time.TotalMilliseconds:n2} ms, {bytes:n0} bytes");
        return bytes;
    }
}
