using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using ClusterMesh.Datapath.Control;
using ClusterMesh.Datapath.Control.Documents;
using ClusterMesh.Datapath.Control.Messages;
using ClusterMesh.Datapath.Control.Rows;

namespace ClusterMesh.Datapath.Forwarder.Tests;

/// <summary>What can be asked of a running node: lists by the page, watches, the configuration itself, and large changes.</summary>
public sealed class ListTests(ITestOutputHelper output)
{
    [Fact]
    public async Task Conntrack_is_listed_by_the_page_each_flow_once()
    {
        using World world = new();
        using ForwarderProcess forwarder = await ForwarderProcess.StartAsync(world);
        await using ControlClient client = await ForwarderProcess.ConnectAsync(world);
        using Socket socket = world.Socket("a", SocketType.Dgram);
        for (int port = 5001; port <= 5050; port++)
        {
            await socket.SendToAsync("x"u8.ToArray(), IPEndPoint.Parse($"10.0.1.12:{port}"));
        }

        Assert.True(world.Ping("a", "10.0.1.12")); // what was sent before is through then
        List<string> keys = [];
        string? cursor = null;
        int pageCount = 0;
        do
        {
            ListResult<ConntrackRow> page = await client.CallAsync(
                "list", new ListRequest("conntrack", 7, cursor), ControlJson.Default.ListRequest, ControlJson.Tolerant.ConntrackList);
            Assert.InRange(page.Items.Count, 0, 7);
            keys.AddRange(page.Items.Select(ControlKinds.Conntrack.Key));
            cursor = page.Next;
            pageCount++;
        }
        while (cursor is not null);
        Assert.InRange(pageCount, 50 / 7, 20);
        Assert.Equal(keys.Distinct().Count(), keys.Count);
        Assert.Equal(50, keys.Count(k => k.StartsWith("UDP OUT ", StringComparison.Ordinal) && k.Contains("-> 10.0.1.12:50", StringComparison.Ordinal)));
        ControlException refused = await Assert.ThrowsAsync<ControlException>(() => client.CallAsync(
            "list", new ListRequest("conntrack", 7, "here"), ControlJson.Default.ListRequest, ControlJson.Tolerant.ConntrackList));
        Assert.Equal((ErrorCode.InvalidParams, "cursor: 'here' was not given by this list; begin again without one"), (refused.Code, refused.Message));
    }

    /// <summary>Whoever may ask may ask without end, and collecting what is thrown away stops the worker.</summary>
    [Fact]
    public async Task A_list_of_counters_leaves_little_to_collect()
    {
        const int Count = 200;
        const ulong MostBytes = 48 * 1024;
        using World world = new();
        using ForwarderProcess forwarder = await ForwarderProcess.StartAsync(world);
        await using ControlClient client = await ForwarderProcess.ConnectAsync(world);
        ulong before = await AllocatedAsync(client);
        for (int i = 1; i < Count; i++)
        {
            await AllocatedAsync(client);
        }

        ulong each = (await AllocatedAsync(client) - before) / Count;
        output.WriteLine($"{each} bytes each");
        Assert.InRange(each, 1ul, MostBytes);
    }

    [Fact]
    public async Task Every_kind_is_listed_the_same_by_pages_of_one_as_whole()
    {
        using World world = new();
        using ForwarderProcess forwarder = await ForwarderProcess.StartAsync(world, world.NodeFile("""
            nodes:
              - {name: east-worker, cluster: east, addresses: [172.18.0.2], podCIDRs: [10.1.1.0/24]}
              - {name: east-other, cluster: east, addresses: [172.18.0.3], podCIDRs: [10.1.2.0/24]}
            services:
              - {name: web, frontends: [{address: 10.2.0.1, port: 80}, {type: NodePort, port: 30080}], backends: [{address: 10.0.1.11, port: 80}, {address: 10.1.1.9, port: 80}]}
            """.ReplaceLineEndings("\n")));
        await using ControlClient client = await ForwarderProcess.ConnectAsync(world);
        await AssertPagesAsync(client, ControlKinds.Endpoint);
        await AssertPagesAsync(client, ControlKinds.Node);
        await AssertPagesAsync(client, ControlKinds.Route);
        await AssertPagesAsync(client, ControlKinds.Service);
        await AssertPagesAsync(client, ControlKinds.Backend);
        await AssertPagesAsync(client, ControlKinds.Masquerade);
        await AssertPagesAsync(client, ControlKinds.Port);
    }

    [Fact]
    public async Task A_watch_of_services_sees_the_change()
    {
        using World world = new();
        using ForwarderProcess forwarder = await ForwarderProcess.StartAsync(world);
        await using ControlClient client = await ForwarderProcess.ConnectAsync(world);
        await client.MergeAsync(Change.Service("default/old", "10.2.0.1:80", "10.0.1.11:80"));
        using CancellationTokenSource limit = new(TimeSpan.FromSeconds(10));
        List<string> seen = [];
        await foreach (WatchEvent<ServiceRow> happened in client.WatchAsync(ControlKinds.Service, cancellation: limit.Token))
        {
            seen.Add($"{happened.Type} {happened.Key} {string.Join(' ', happened.Object?.Backends.Select(b => b.Backend) ?? [])}".Trim());
            if (happened.Type == WatchEventType.Synced)
            {
                await client.MergeAsync(Change.Service("default/new", "10.2.0.2:80"));
            }
            else if (happened.Key == "10.2.0.2:80/TCP")
            {
                await client.MergeAsync(Change.Service("default/old", "10.2.0.1:80", "10.0.1.12:80"));
            }
            else if (happened.Type == WatchEventType.Changed)
            {
                await client.DeleteAsync("service", ["default/old"]);
            }
            else if (happened.Type == WatchEventType.Removed)
            {
                break;
            }
        }

        Assert.Equal(["Added 10.2.0.1:80/TCP 10.0.1.11:80/TCP", "Synced", "Added 10.2.0.2:80/TCP", "Changed 10.2.0.1:80/TCP 10.0.1.12:80/TCP", "Removed 10.2.0.1:80/TCP"], seen);
    }

    [Fact]
    public async Task The_effective_configuration_can_be_applied_again_and_changes_nothing()
    {
        using World world = new();
        using ForwarderProcess forwarder = await ForwarderProcess.StartAsync(world);
        await using ControlClient client = await ForwarderProcess.ConnectAsync(world);
        await client.MergeAsync(Change.Service("default/web", "10.2.0.1:80", "10.0.1.11:80"));
        NodeDocument config = await client.GetConfigAsync();
        ChangeResult again = await client.ApplyAsync(ApplyMode.Replace, new ChangeDocument
        {
            Masquerade = config.Masquerade,
            Endpoints = config.Endpoints,
            Nodes = config.Nodes,
            Routes = config.Routes,
            Services = config.Services,
        });
        Assert.Equal(0, again.Changed);
        Assert.Equal((2, 1), (config.Endpoints!.Count, config.Services!.Count));
    }

    [Fact]
    public async Task Ten_thousand_services_in_one_request()
    {
        using World world = new();
        using ForwarderProcess forwarder = await ForwarderProcess.StartAsync(world);
        await using ControlClient client = await ForwarderProcess.ConnectAsync(world);
        ServiceDocument[] services =
        [
            .. Enumerable.Range(0, 10_000).Select(i => Change.Service(
                $"default/service-{i}", $"10.64.{i / 250}.{i % 250}:80", [.. Enumerable.Range(0, 4).Select(b => i == 9_999 ? $"10.0.1.12:{8080 + b}" : $"10.{100 + b}.{i / 250}.{1 + i % 250}:8080")])),
        ];
        Socket[] listeners = [.. Enumerable.Range(0, 4).Select(b => world.Listen("b", 8080 + b))];
        long start = Stopwatch.GetTimestamp();
        ChangeResult result = await client.MergeAsync(services);
        output.WriteLine($"10,000 services with 4 backends each, from request to answer: {Stopwatch.GetElapsedTime(start).TotalMilliseconds:n0} ms");
        Assert.Equal(10_000, result.Changed);
        StatusReport status = await client.GetStatusAsync();
        Assert.Equal((10_000, 40_000), (status.Services, status.Backends));
        Assert.True((await world.ConnectAnyAsync("a", "10.64.39.249", 80, listeners)) is "10.0.1.11");

        start = Stopwatch.GetTimestamp();
        List<ServiceRow> rows = await client.ListAsync(ControlKinds.Service).ToListAsync();
        output.WriteLine($"listing them: {Stopwatch.GetElapsedTime(start).TotalMilliseconds:n0} ms");
        Assert.Equal(10_000, rows.Count);
        Assert.All(rows, r => Assert.Equal(4, r.Backends.Count));
        start = Stopwatch.GetTimestamp();
        Assert.Equal(0, (await client.MergeAsync(services)).Changed);
        output.WriteLine($"the same again: {Stopwatch.GetElapsedTime(start).TotalMilliseconds:n0} ms");
        start = Stopwatch.GetTimestamp();
        Assert.Equal(10_000, (await client.ApplyAsync(ApplyMode.Replace, new ChangeDocument { Services = [] })).Changed);
        output.WriteLine($"removing all: {Stopwatch.GetElapsedTime(start).TotalMilliseconds:n0} ms");
        Assert.Equal(0, (await client.GetStatusAsync()).Backends);
    }

    private static async Task<ulong> AllocatedAsync(ControlClient client)
    {
        ListResult<CounterRow> page = await client.CallAsync("list", new ListRequest("counter"), ControlJson.Default.ListRequest, ControlJson.Tolerant.CounterList);
        return page.Items.Single(r => ControlKinds.Counter.Key(r) == "heap/all/allocatedBytes").Value;
    }

    private static async Task AssertPagesAsync<TRow>(ControlClient client, ControlKind<TRow> kind)
    {
        List<string> whole = [.. (await client.ListAsync(kind).ToListAsync()).Select(kind.Key)];
        List<string> pages = [];
        string? cursor = null;
        do
        {
            ListResult<TRow> page = await client.CallAsync(
                "list", new ListRequest(kind.Name, 1, cursor), ControlJson.Default.ListRequest, ControlJson.Tolerant.For<ListResult<TRow>>());
            pages.AddRange(page.Items.Select(kind.Key));
            cursor = page.Next;
        }
        while (cursor is not null);
        Assert.Equal(whole, pages);
        Assert.NotEmpty(whole);
        Assert.Equal(whole.Distinct(), whole);
    }
}
