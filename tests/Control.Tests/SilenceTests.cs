using System.Net.Sockets;
using ClusterMesh.Datapath.Control.Documents;
using ClusterMesh.Datapath.Control.Messages;

namespace ClusterMesh.Datapath.Control.Tests;

/// <summary>A forwarder that does not answer: a listening socket that nobody accepts from, as after SIGSTOP.</summary>
public sealed class SilenceTests : IDisposable
{
    private static readonly TimeSpan s_short = TimeSpan.FromMilliseconds(200);

    private readonly string _directory = Directory.CreateTempSubdirectory("cmesh-").FullName;
    private readonly Socket _listener = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
    private readonly string _path;

    public SilenceTests()
    {
        _path = Path.Combine(_directory, "control.sock");
        _listener.Bind(new UnixDomainSocketEndPoint(_path));
        _listener.Listen(1);
    }

    private string Sentence => $"the forwarder behind {_path} has not answered for 0.2 s; is it stopped or overloaded?";

    public void Dispose()
    {
        _listener.Dispose();
        Directory.Delete(_directory, recursive: true);
    }

    [Fact]
    public async Task A_request_is_given_up_with_a_sentence()
    {
        await using ControlClient client = await ControlClient.ConnectAsync(_path, s_short);
        Assert.Equal(Sentence, (await Assert.ThrowsAsync<ControlConnectionException>(() => client.GetStatusAsync())).Message);

        // The connection is given up with it.
        Assert.Equal(Sentence, (await Assert.ThrowsAsync<ControlConnectionException>(() => client.GetConfigAsync())).Message);
    }

    [Fact]
    public async Task A_request_that_does_not_fit_into_the_socket_is_given_up_too()
    {
        await using ControlClient client = await ControlClient.ConnectAsync(_path, s_short);
        ChangeDocument large = TestServer.Services(5_000, 5);
        Assert.Equal(Sentence, (await Assert.ThrowsAsync<ControlConnectionException>(() => client.ApplyAsync(ApplyMode.Merge, large))).Message);
    }

    [Fact]
    public async Task A_watch_must_speak_until_it_is_synced()
    {
        await using ControlClient client = await ControlClient.ConnectAsync(_path, s_short);
        using Socket accepted = await _listener.AcceptAsync();
        accepted.Send("""{"jsonrpc":"2.0","id":1,"result":{"subscription":1}}"""u8);
        accepted.Send("\n"u8);
        ControlConnectionException silent = await Assert.ThrowsAsync<ControlConnectionException>(
            () => client.WatchAsync(ControlKinds.Masquerade).ToListAsync().AsTask());
        Assert.Equal(Sentence, silent.Message);
    }

    [Fact]
    public async Task A_synced_watch_may_be_silent_for_longer_than_an_answer()
    {
        await using TestServer server = new TestServer { Prefixes = ["10.1.0.0/16"] }.Start();
        await using ControlClient client = await ControlClient.ConnectAsync(server.SocketPath, s_short);
        using CancellationTokenSource interrupt = new();
        List<WatchEventType> seen = [];
        await Assert.ThrowsAnyAsync<OperationCanceledException>(async () =>
        {
            await foreach (WatchEvent<Rows.MasqueradeRow> happened in client.WatchAsync(ControlKinds.Masquerade, null, interrupt.Token))
            {
                seen.Add(happened.Type);
                interrupt.CancelAfter(3 * s_short);
            }
        });
        Assert.Equal([WatchEventType.Added, WatchEventType.Synced], seen);
        Assert.Single(await client.ListAsync(ControlKinds.Masquerade).ToListAsync());
    }

    [Fact]
    public async Task A_full_queue_of_connections_is_said()
    {
        List<ControlClient> waiting = [];
        ControlConnectionException full = await Assert.ThrowsAsync<ControlConnectionException>(async () =>
        {
            for (int turn = 0; turn < 10; turn++)
            {
                waiting.Add(await ControlClient.ConnectAsync(_path));
            }
        });
        Assert.Equal($"{_path}: it takes no more connections; is the forwarder stopped or overloaded?", full.Message);
        foreach (ControlClient client in waiting)
        {
            await client.DisposeAsync();
        }
    }
}
