using System.Text.Json.Nodes;
using ClusterMesh.Datapath.Control.Rows;

namespace ClusterMesh.Datapath.Control.Tests;

public sealed class LimitTests
{
    private const string Slow = """{"jsonrpc":"2.0","id":1,"method":"slow"}""";
    private const string List = """{"jsonrpc":"2.0","id":2,"method":"list","params":{"kind":"masquerade"}}""";

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_line_over_the_limit_is_refused_while_it_arrives(bool ends)
    {
        await using TestServer server = new TestServer(new ControlLimits { RequestLength = 100_000 }).Start();
        using RawClient client = new(server.SocketPath);
        Task sent = client.SendAsync(new byte[ends ? 100_002 : 3_000_000].Select((_, i) => ends && i == 100_001 ? (byte)'\n' : (byte)'x').ToArray());
        Assert.Equal((int)ErrorCode.RequestTooLarge, (int)(await client.ReadAsync())["error"]!["code"]!);
        Assert.Null(await client.ReadLineAsync());
        await sent.WaitAsync(TimeSpan.FromSeconds(20));
    }

    [Fact]
    public async Task A_connection_too_many_is_told_so_and_others_go_on()
    {
        await using TestServer server = new TestServer(new ControlLimits { ConnectionCount = 2 }).Start();
        RawClient first = new(server.SocketPath);
        using RawClient second = new(server.SocketPath);
        await first.AskAsync(List);
        await second.AskAsync(List);
        using (RawClient third = new(server.SocketPath))
        {
            Assert.Equal((int)ErrorCode.TooManyConnections, (int)(await third.ReadAsync())["error"]!["code"]!);
            Assert.Null(await third.ReadLineAsync());
        }

        ControlException refused = await Assert.ThrowsAsync<ControlException>(async () =>
        {
            await using ControlClient client = await ControlClient.ConnectAsync(server.SocketPath);
            await client.GetStatusAsync();
        });
        Assert.Equal(ErrorCode.TooManyConnections, refused.Code);

        first.Dispose();
        await second.AskAsync(List);
        JsonNode? answer = null;
        DateTime patience = DateTime.UtcNow.AddSeconds(20);
        while (answer?["result"] is null && DateTime.UtcNow < patience)
        {
            // The place of the first is free once the server has seen it leave, which nothing announces.
            using RawClient later = new(server.SocketPath);
            later.TrySend(List + "\n");
            answer = await later.ReadAsync();
        }

        Assert.NotNull(answer!["result"]);
    }

    [Fact]
    public async Task A_request_too_many_is_refused_and_the_connection_lives()
    {
        await using TestServer server = new TestServer(new ControlLimits { RequestCount = 3 }).Start();
        using RawClient client = new(server.SocketPath);
        client.Send(Slow + "\n" + Slow + "\n" + Slow + "\n");
        JsonNode refused = await client.AskAsync(List);
        Assert.Equal((int)ErrorCode.TooManyRequests, (int)refused["error"]!["code"]!);
        Assert.Equal(2, (int)refused["id"]!);
        server.Gate.SetResult();
        for (int turn = 0; turn < 3; turn++)
        {
            Assert.Equal(1, (int)(await client.ReadAsync())["id"]!);
        }

        for (int turn = 0; turn < 200; turn++)
        {
            Assert.NotNull((await client.AskAsync(List))["result"]);
        }
    }

    [Fact]
    public async Task A_watch_too_many_is_refused()
    {
        await using TestServer server = new TestServer(new ControlLimits { WatchCount = 1 }).Start();
        using RawClient client = new(server.SocketPath);
        const string Watch = """{"jsonrpc":"2.0","id":3,"method":"watch","params":{"kind":"masquerade"}}""";
        Assert.Equal(1, (int)(await client.AskAsync(Watch))["result"]!["subscription"]!);
        Assert.Equal("synced", (string)(await client.ReadAsync())["params"]!["type"]!);
        Assert.Equal((int)ErrorCode.TooManyRequests, (int)(await client.AskAsync(Watch))["error"]!["code"]!);
    }

    [Fact]
    public async Task A_watch_over_more_rows_than_allowed_ends_with_a_sentence()
    {
        await using TestServer server = new TestServer(new ControlLimits { WatchedObjectCount = 2 }) { Prefixes = ["a", "b", "c"] }.Start();
        using RawClient client = new(server.SocketPath);
        await client.AskAsync("""{"jsonrpc":"2.0","id":3,"method":"watch","params":{"kind":"masquerade"}}""");
        Assert.Equal("added", (string)(await client.ReadAsync())["params"]!["type"]!);
        Assert.Equal("added", (string)(await client.ReadAsync())["params"]!["type"]!);
        JsonNode ended = await client.ReadAsync();
        Assert.Equal("ended", (string)ended["params"]!["type"]!);
        Assert.Contains("at most 2 objects", (string)ended["params"]!["message"]!);
    }

    [Fact]
    public async Task A_client_that_reads_nothing_is_cut_off_and_its_place_is_free_again()
    {
        await using TestServer server = new TestServer(new ControlLimits { ConnectionCount = 1, SendTimeout = TimeSpan.FromMilliseconds(300) })
        {
            Counters = [.. Enumerable.Range(0, 9_000).Select(i => new CounterRow("drop", $"reason-{i}", "packets", (ulong)i))],
        }.Start();
        using RawClient slow = new(server.SocketPath);
        slow.Send("""{"jsonrpc":"2.0","id":1,"method":"list","params":{"kind":"counter"}}""" + "\n");
        JsonNode? answer = null;
        DateTime patience = DateTime.UtcNow.AddSeconds(20);
        while (answer?["result"] is null && DateTime.UtcNow < patience)
        {
            using RawClient other = new(server.SocketPath);
            other.TrySend(List + "\n");
            answer = await other.ReadAsync();
        }

        Assert.NotNull(answer?["result"]);
    }
}
