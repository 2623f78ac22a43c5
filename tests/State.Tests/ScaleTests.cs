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
        Assert.InRange(one, 0, 4_000_000);
    }

    [Fact]
    public void One_route_more_costs_the_same_among_a_million()
    {
        long alone = OneRouteAmong(0);
        long amongMany = OneRouteAmong(1_000_000);

        // Bytes, not time: a walk over the whole set shows in either, a busy machine only in time. The trie is deeper: allow some blocks.
        Assert.InRange(amongMany, 0, alone + 64 * 1024);
    }

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
