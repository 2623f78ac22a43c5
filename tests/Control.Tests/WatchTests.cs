using ClusterMesh.Datapath.Control.Messages;
using ClusterMesh.Datapath.Control.Rows;

namespace ClusterMesh.Datapath.Control.Tests;

public sealed class WatchTests
{
    [Fact]
    public async Task A_watch_gives_what_is_there_and_then_what_happens()
    {
        await using TestServer server = new TestServer { Prefixes = ["10.1.0.0/16", "169.254.0.0/16"] }.Start();
        await using ControlClient client = await ControlClient.ConnectAsync(server.SocketPath);
        List<string> seen = [];
        await foreach (WatchEvent<MasqueradeRow> happened in client.WatchAsync(ControlKinds.Masquerade))
        {
            seen.Add($"{happened.Type} {happened.Key}");
            if (happened.Type == WatchEventType.Synced)
            {
                server.Prefixes = ["10.1.0.0/16", "10.5.0.0/16"];
                server.Server.NotifyChanged();
            }

            if (happened.Type == WatchEventType.Removed)
            {
                break;
            }
        }

        Assert.Equal(["Added 10.1.0.0/16", "Added 169.254.0.0/16", "Synced ", "Added 10.5.0.0/16", "Removed 169.254.0.0/16"], seen);

        // The connection is in order after the loop was left, and the subscription is gone.
        Assert.Equal(2, await client.ListAsync(ControlKinds.Masquerade).CountAsync());
    }

    [Fact]
    public async Task A_live_kind_is_compared_at_its_interval_and_only_changes_are_told()
    {
        await using TestServer server = new TestServer { Counters = [new("drop", "a", "packets", 1), new("drop", "b", "packets", 1)] }.Start();
        await using ControlClient client = await ControlClient.ConnectAsync(server.SocketPath);
        List<string> seen = [];
        await foreach (WatchEvent<CounterRow> happened in client.WatchAsync(ControlKinds.Counter, TimeSpan.FromMilliseconds(100)))
        {
            seen.Add($"{happened.Type} {happened.Key} {happened.Object?.Value}");
            if (happened.Type == WatchEventType.Synced)
            {
                server.Counters = [server.Counters[0], server.Counters[1] with { Value = 2 }];
            }

            if (happened.Type == WatchEventType.Changed)
            {
                break;
            }
        }

        Assert.Equal(["Added drop/a/packets 1", "Added drop/b/packets 1", "Synced  ", "Changed drop/b/packets 2"], seen);
    }

    [Fact]
    public async Task The_line_on_the_wire_is_as_documented()
    {
        await using TestServer server = new TestServer { Prefixes = ["10.1.0.0/16"] }.Start();
        using RawClient client = new(server.SocketPath);
        client.Send("""{"jsonrpc":"2.0","id":1,"method":"watch","params":{"kind":"masquerade"}}""");
        client.EndInput();
        Assert.Equal("""{"jsonrpc":"2.0","id":1,"result":{"subscription":1}}""", await client.ReadLineAsync());
        Assert.Equal("""{"jsonrpc":"2.0","method":"event","params":{"subscription":1,"kind":"masquerade","type":"added","key":"10.1.0.0/16","object":{"prefix":"10.1.0.0/16"}}}""", await client.ReadLineAsync());
        Assert.Equal("""{"jsonrpc":"2.0","method":"event","params":{"subscription":1,"kind":"masquerade","type":"synced"}}""", await client.ReadLineAsync());

        // A client that has ended its input gets the first full set, then the end.
        Assert.Null(await client.ReadLineAsync());
    }

    [Fact]
    public async Task A_watch_whose_kind_cannot_be_read_ends_with_the_reason()
    {
        await using TestServer server = new TestServer().Start();
        await using ControlClient client = await ControlClient.ConnectAsync(server.SocketPath);
        WatchEvent<PortRow> only = Assert.Single(await client.WatchAsync(ControlKinds.Port).ToListAsync());
        Assert.Equal((WatchEventType.Ended, "no ports today"), (only.Type, only.Message));
    }

    [Fact]
    public async Task A_watch_throws_when_the_forwarder_goes()
    {
        await using TestServer server = new TestServer { Prefixes = ["10.1.0.0/16"] }.Start();
        await using ControlClient client = await ControlClient.ConnectAsync(server.SocketPath);
        await Assert.ThrowsAsync<ControlConnectionException>(async () =>
        {
            await foreach (WatchEvent<MasqueradeRow> happened in client.WatchAsync(ControlKinds.Masquerade))
            {
                if (happened.Type == WatchEventType.Synced)
                {
                    await server.Server.StopAsync();
                }
            }
        });
    }

    [Fact]
    public async Task Lists_are_fetched_page_by_page()
    {
        await using TestServer server = new TestServer(new ControlLimits { PageLength = 10 })
        {
            Prefixes = [.. Enumerable.Range(0, 95).Select(i => $"10.{i:000}.0.0/16")],
        }.Start();
        await using ControlClient client = await ControlClient.ConnectAsync(server.SocketPath);
        Assert.Equal(server.Prefixes, await client.ListAsync(ControlKinds.Masquerade).Select(row => row.Prefix).ToArrayAsync());
        Assert.Equal(10, server.PageCount);
    }

    [Fact]
    public async Task Many_events_reach_a_client_that_takes_its_time()
    {
        await using TestServer server = new TestServer { Prefixes = [.. Enumerable.Range(0, 20_000).Select(i => $"{i:00000}")] }.Start();
        await using ControlClient client = await ControlClient.ConnectAsync(server.SocketPath);
        int added = 0;
        await foreach (WatchEvent<MasqueradeRow> happened in client.WatchAsync(ControlKinds.Masquerade))
        {
            if (happened.Type == WatchEventType.Synced)
            {
                break;
            }

            added++;
            await Task.Yield();
        }

        Assert.Equal(20_000, added);
    }
}
