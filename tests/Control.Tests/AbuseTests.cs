using System.Globalization;
using System.Text.Json.Nodes;
using ClusterMesh.Datapath.Control.Rows;
using ClusterMesh.Datapath.Mesh.Tests;
using ClusterMesh.Datapath.Testing;

namespace ClusterMesh.Datapath.Control.Tests;

/// <summary>Clients that mean harm, or are broken: the server loses nothing by them, and says what is wrong where it can. Alone, since it counts memory.</summary>
[Collection("alone")]
public sealed class AbuseTests
{
    private const string Slow = """{"jsonrpc":"2.0","id":1,"method":"slow"}""";
    private const string List = """{"jsonrpc":"2.0","id":2,"method":"list","params":{"kind":"masquerade"}}""";

    [Fact]
    public async Task A_line_that_drips_is_ended_and_its_client_told()
    {
        await using TestServer server = new TestServer(new ControlLimits { LineTimeout = TimeSpan.FromMilliseconds(200) }).Start();
        using RawClient client = new(server.SocketPath);
        await client.AskAsync(List);
        Task<JsonNode> end = client.ReadAsync();
        await Eventually.TrueAsync(
            () =>
            {
                client.TrySend(" ");
                return end.IsCompleted;
            },
            () => "no answer");
        JsonNode told = await end;
        Assert.Equal((int)ErrorCode.RequestTimeout, (int)told["error"]!["code"]!);
        Assert.Equal("the line did not end within 0.2 s; send it in one go", (string)told["error"]!["message"]!);
        Assert.Null(await client.ReadLineAsync());
    }

    [Fact]
    public async Task A_line_that_stops_is_ended_too_and_whoever_says_nothing_is_left_alone()
    {
        await using TestServer server = new TestServer(new ControlLimits { LineTimeout = TimeSpan.FromMilliseconds(200) }).Start();
        using RawClient quiet = new(server.SocketPath);
        using RawClient client = new(server.SocketPath);
        client.Send(List + "\n" + List[..20]);
        Assert.NotNull((await client.ReadAsync())["result"]);
        Assert.Equal((int)ErrorCode.RequestTimeout, (int)(await client.ReadAsync())["error"]!["code"]!);
        Assert.Null(await client.ReadLineAsync());
        Assert.NotNull((await quiet.AskAsync(List))["result"]);
    }

    [Fact]
    public async Task Malformed_requests_in_a_row_end_a_connection_and_good_ones_between_do_not()
    {
        await using TestServer server = new TestServer(new ControlLimits { MalformedCount = 10 }).Start();
        using RawClient client = new(server.SocketPath);
        for (int i = 0; i < 30; i++)
        {
            Assert.NotNull((await client.AskAsync(i % 9 == 8 ? List : "{"))[i % 9 == 8 ? "result" : "error"]);
        }

        await client.AskAsync(List);
        for (int i = 0; i < 10; i++)
        {
            Assert.Equal((int)ErrorCode.ParseError, (int)(await client.AskAsync("{"))["error"]!["code"]!);
        }

        JsonNode told = await client.ReadAsync();
        Assert.Equal((int)ErrorCode.TooManyRequests, (int)told["error"]!["code"]!);
        Assert.Equal("10 requests in a row were malformed; the connection is closed", (string)told["error"]!["message"]!);
        Assert.Null(await client.ReadLineAsync());
    }

    [Fact]
    public async Task Long_lines_of_many_clients_share_one_allowance()
    {
        const int Length = 200_000;
        await using TestServer server = new TestServer(new ControlLimits { RequestMemory = 2 * Length }).Start();
        using RawClient first = new(server.SocketPath);
        using RawClient second = new(server.SocketPath);
        using RawClient third = new(server.SocketPath);
        string line = List.Insert(1, new string(' ', Length));
        await first.SendAsync(System.Text.Encoding.UTF8.GetBytes(line));
        await second.SendAsync(System.Text.Encoding.UTF8.GetBytes(line));
        await Eventually.TrueAsync(() => server.Server.RequestBytes > Length, () => server.Server.RequestBytes);
        Task sent = third.SendAsync(System.Text.Encoding.UTF8.GetBytes(line));
        JsonNode told = await third.ReadAsync();
        await sent.WaitAsync(TimeSpan.FromSeconds(20));
        Assert.Equal((int)ErrorCode.TooManyRequests, (int)told["error"]!["code"]!);
        Assert.Contains($"hold {2 * Length} bytes already", (string)told["error"]!["message"]!);

        second.Dispose();
        await Eventually.TrueAsync(() => server.Server.RequestBytes < Length, () => server.Server.RequestBytes);
        first.Send("\n");
        Assert.NotNull((await first.ReadAsync())["result"]);
        await Eventually.TrueAsync(() => server.Server.RequestBytes == 0, () => server.Server.RequestBytes);
    }

    [Fact]
    public async Task One_process_does_not_take_all_places()
    {
        await using TestServer server = new TestServer(new ControlLimits { ProcessConnectionCount = 3 }).Start();
        using RawClient first = new(server.SocketPath);
        using RawClient second = new(server.SocketPath);
        using RawClient third = new(server.SocketPath);
        await third.AskAsync(List);
        using RawClient fourth = new(server.SocketPath);
        JsonNode told = await fourth.ReadAsync();
        Assert.Equal((int)ErrorCode.TooManyConnections, (int)told["error"]!["code"]!);
        Assert.Contains($"3 connections of process {Environment.ProcessId} are open", (string)told["error"]!["message"]!);
    }

    [Fact]
    public async Task Pages_that_nobody_reads_are_not_made()
    {
        await using TestServer server = new TestServer(new ControlLimits { SendTimeout = TimeSpan.FromMilliseconds(300) })
        {
            Prefixes = [.. Enumerable.Range(0, 9_000).Select(i => $"{i:00000} {new string('x', 100)}")],
        }.Start();
        using (RawClient client = new(server.SocketPath))
        {
            for (int i = 0; i < 10; i++)
            {
                client.Send(List + "\n");
            }

            await Eventually.TrueAsync(() => server.PageCount > 0, () => server.PageCount);
            await Eventually.TrueAsync(() => server.Server.ConnectionCount == 0, () => server.Server.ConnectionCount);
        }

        Assert.Equal(1, server.PageCount);
    }

    /// <summary>What the pools of server and client were seen to hold when they are full, twice over.</summary>
    private const long MostPooled = 8 << 20;

    /// <summary>Each of five rounds; CMESH_MALFORMED_REQUESTS says how many there are in all (docs/reliability.md).</summary>
    private static int RoundCount => int.Parse(Environment.GetEnvironmentVariable("CMESH_MALFORMED_REQUESTS") ?? "25000", CultureInfo.InvariantCulture) / 5;

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public async Task Malformed_requests_are_answered_each_and_leave_nothing(int seed)
    {
        int count = RoundCount;
        await using TestServer server = new TestServer(new ControlLimits { MalformedCount = 97, MalformedRate = int.MaxValue }) { Counters = [new CounterRow("drop", "x", "packets", 1)] }.Start();
        List<(int Files, long Bytes)> rounds = [];
        for (int round = 0; round < 5; round++)
        {
            await AskAsync(server, seed + round, count);
            rounds.Add(Figures());
        }

        // Pools of buffers fill in some rounds, up to some MB; what requests or connections leave behind is there in each, and has no end.
        string shown = string.Join(", ", rounds);
        Assert.True(rounds[4].Files <= rounds[0].Files + 2, shown);
        Assert.True(rounds.Zip(rounds.Skip(1)).Min(r => r.Second.Bytes - r.First.Bytes) < count || (count > 100_000 && rounds.Max(r => r.Bytes) - rounds[0].Bytes < MostPooled), shown);
        TestContext.Current.SendDiagnosticMessage(shown);
        Assert.Empty(server.Faults);
    }

    [Fact]
    public async Task A_client_that_leaves_in_the_middle_of_everything_leaves_nothing()
    {
        await using TestServer server = new TestServer().Start();
        for (int turn = 0; turn < 500; turn++)
        {
            using RawClient client = new(server.SocketPath);
            client.TrySend((turn % 4) switch
            {
                0 => List[..(turn % List.Length)],
                1 => List + "\n" + List,
                2 => Slow + "\n",
                _ => List.Replace("list", "watch", StringComparison.Ordinal) + "\n",
            });
            if (turn % 3 == 0)
            {
                client.EndInput();
            }
        }

        server.Gate.SetResult();
        await Eventually.TrueAsync(() => server.Server.ConnectionCount == 0, () => server.Server.ConnectionCount);
        Assert.Empty(server.Faults);
        Assert.Equal(0, server.Server.RequestBytes);
        using RawClient after = new(server.SocketPath);
        Assert.NotNull((await after.AskAsync(List))["result"]);
    }

    private static async Task AskAsync(TestServer server, int seed, int count)
    {
        MalformedRequests requests = new(seed);
        RawClient client = new(server.SocketPath);
        for (int i = 0; i < count; i++)
        {
            byte[] line = requests.Next();
            client.Send(line);
            JsonNode answer = await client.ReadAsync();
            Assert.True(answer["error"] is not null, $"seed {seed}, request {i}: {Convert.ToHexString(line)} was answered {answer.ToJsonString()}");
            if (i % 97 == 96)
            {
                Assert.Equal((int)ErrorCode.TooManyRequests, (int)(await client.ReadAsync())["error"]!["code"]!);
                Assert.Null(await client.ReadLineAsync());
                client.Dispose();
                client = new RawClient(server.SocketPath);
            }
        }

        client.Dispose();
        await Eventually.TrueAsync(() => server.Server.ConnectionCount == 0, () => server.Server.ConnectionCount);
    }

    private static (int Files, long Bytes) Figures()
    {
        GC.Collect();
        GC.WaitForPendingFinalizers();
        return (Directory.GetFiles("/proc/self/fd").Length, GC.GetTotalMemory(forceFullCollection: true));
    }
}
