using System.Diagnostics;
using System.Text.Json.Nodes;
using ClusterMesh.Datapath.Control.Server;

namespace ClusterMesh.Datapath.Control.Tests;

/// <summary>What clients may cost in a second, and that those who ask little do not pay for those who ask much.</summary>
[Collection("alone")]
public sealed class PaceTests
{
    private const string List = """{"jsonrpc":"2.0","id":2,"method":"list","params":{"kind":"masquerade"}}""";

    [Fact]
    public async Task After_a_burst_each_waits_for_its_turn()
    {
        Pace pace = new(rate: 100, burst: 5);
        long began = Stopwatch.GetTimestamp();
        for (int i = 0; i < 5; i++)
        {
            Assert.True(pace.WaitAsync(1, CancellationToken.None).IsCompleted, $"{i} of a burst of 5 waited");
        }

        for (int i = 0; i < 20; i++)
        {
            await pace.WaitAsync(1, CancellationToken.None);
        }

        // 20 turns of 10 ms, but for what the burst was credited meanwhile: nothing.
        Assert.InRange(Stopwatch.GetElapsedTime(began).TotalMilliseconds, 200, double.MaxValue);
        Task dear = pace.WaitAsync(1_000_000, CancellationToken.None);
        using CancellationTokenSource gone = new();
        Task next = pace.WaitAsync(1, gone.Token);
        await dear;
        Assert.False(next.IsCompleted); // It pays for the one before, some hours.
        await gone.CancelAsync();
        await Assert.ThrowsAsync<TaskCanceledException>(async () => await next);
    }

    [Theory]
    [InlineData("{", nameof(ControlLimits.MalformedRate))]
    [InlineData(List, nameof(ControlLimits.RequestRate))]
    public async Task Requests_beyond_the_rate_wait_and_are_answered(string line, string limit)
    {
        bool isMalformed = limit == nameof(ControlLimits.MalformedRate);
        ControlLimits limits = isMalformed ? new ControlLimits { MalformedRate = 100, MalformedBurst = 10 } : new ControlLimits { RequestRate = 100, RequestBurst = 10 };
        await using TestServer server = new TestServer(limits).Start();
        using RawClient client = new(server.SocketPath);
        using RawClient other = new(server.SocketPath);
        long began = Stopwatch.GetTimestamp();
        for (int i = 0; i < 60; i++)
        {
            client.Send(line + "\n");
        }

        // Of the other kind as many as ever: one limit does not touch the other.
        Assert.NotNull((await other.AskAsync(isMalformed ? List : "{"))[isMalformed ? "result" : "error"]);
        for (int i = 0; i < 60; i++)
        {
            JsonNode answer = await client.ReadAsync();
            Assert.True(answer[isMalformed ? "error" : "result"] is not null || (int)answer["error"]!["code"]! == (int)ErrorCode.TooManyRequests, answer.ToJsonString());
        }

        Assert.InRange(Stopwatch.GetElapsedTime(began).TotalMilliseconds, 490, double.MaxValue);
    }

    [Fact]
    public async Task Clients_beyond_the_rate_wait_to_be_let_in()
    {
        await using TestServer server = new TestServer(new ControlLimits { AcceptRate = 50, AcceptBurst = 5 }).Start();
        long began = Stopwatch.GetTimestamp();
        for (int i = 0; i < 30; i++)
        {
            using RawClient client = new(server.SocketPath);
            Assert.NotNull((await client.AskAsync(List))["result"]);
        }

        Assert.InRange(Stopwatch.GetElapsedTime(began).TotalMilliseconds, 480, double.MaxValue);
    }

    [Fact]
    public async Task Long_lines_beyond_the_rate_wait_and_short_ones_pass()
    {
        const int Length = 1 << 20;
        await using TestServer server = new TestServer(new ControlLimits { LongLineRate = Length, LongLineBurst = Length }).Start();
        using RawClient client = new(server.SocketPath);
        using RawClient other = new(server.SocketPath);
        byte[] line = System.Text.Encoding.UTF8.GetBytes(List.Insert(1, new string(' ', Length)) + "\n");
        long began = Stopwatch.GetTimestamp();
        Task sending = Task.Run(async () =>
        {
            for (int i = 0; i < 3; i++)
            {
                await client.SendAsync(line);
                Assert.NotNull((await client.ReadAsync())["result"]);
            }
        });
        Assert.NotNull((await other.AskAsync(List))["result"]);
        await sending;
        Assert.InRange(Stopwatch.GetElapsedTime(began).TotalSeconds, 1, double.MaxValue);
        Assert.InRange(server.Server.Buffers.FreeBytes, 1, 4 * Length);
    }

    [Fact]
    public void Buffers_come_again_and_go_when_nobody_needs_them()
    {
        using ReceiveBuffers buffers = new(mostBytes: 3 * ReceiveBuffers.BufferLength);
        var owners = Enumerable.Range(0, 5).Select(_ => buffers.Rent()).ToList();
        Memory<byte> last = owners[2].Memory;
        owners.ForEach(o => o.Dispose());
        Assert.Equal(3 * ReceiveBuffers.BufferLength, buffers.FreeBytes); // Three are kept.
        using (System.Buffers.IMemoryOwner<byte> again = buffers.Rent())
        {
            Assert.True(last.Equals(again.Memory));
            buffers.Trim(); // Looks from here on: two wait.
        }

        buffers.Trim();
        Assert.Equal(ReceiveBuffers.BufferLength, buffers.FreeBytes); // One was in use meanwhile.
        buffers.Trim();
        Assert.Equal(0, buffers.FreeBytes);
    }
}
