using System.Diagnostics;
using System.Net.Sockets;
using ClusterMesh.Datapath.Control.Messages;

namespace ClusterMesh.Datapath.Control.Tests;

public sealed class SocketTests
{
    [Fact]
    public async Task The_socket_has_mode_0660_and_is_gone_after_the_stop()
    {
        await using TestServer server = new TestServer().Start();
        Assert.Equal(
            UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.GroupRead | UnixFileMode.GroupWrite, File.GetUnixFileMode(server.SocketPath));
        await server.Server.StopAsync();
        Assert.False(File.Exists(server.SocketPath));
    }

    [Fact]
    public async Task A_stop_ends_well_when_the_sockets_directory_is_gone()
    {
        await using TestServer server = new TestServer().Start();
        using RawClient client = new(server.SocketPath);
        Assert.NotNull((await client.AskAsync("""{"jsonrpc":"2.0","id":1,"method":"list","params":{"kind":"masquerade"}}"""))["result"]);
        Directory.Delete(Path.GetDirectoryName(server.SocketPath)!, recursive: true);
        await server.Server.StopAsync();
        Assert.Null(await client.ReadLineAsync());
        Assert.Empty(server.Faults);
    }

    [Fact]
    public async Task A_second_server_is_refused_and_the_first_goes_on()
    {
        await using TestServer server = new TestServer().Start();
        ControlServer second = new(server.SocketPath);
        ControlConnectionException refused = Assert.Throws<ControlConnectionException>(second.Start);
        Assert.Equal($"another process answers on {server.SocketPath}; stop it or give another socket", refused.Message);
        await second.DisposeAsync();
        await using ControlClient client = await ControlClient.ConnectAsync(server.SocketPath);
        Assert.Empty(await client.ListAsync(ControlKinds.Masquerade).ToListAsync());
    }

    [Fact]
    public async Task The_socket_of_a_dead_process_is_replaced()
    {
        await using TestServer server = new();
        Directory.CreateDirectory(Path.GetDirectoryName(server.SocketPath)!);
        LeaveStale(server.SocketPath);
        ControlConnectionException nobody = await Assert.ThrowsAsync<ControlConnectionException>(() => ControlClient.ConnectAsync(server.SocketPath));
        Assert.Contains("no forwarder answers there", nobody.Message);
        server.Start();
        await using ControlClient client = await ControlClient.ConnectAsync(server.SocketPath);
    }

    [Fact]
    public async Task What_is_no_socket_is_not_removed()
    {
        await using TestServer server = new();
        Directory.CreateDirectory(Path.GetDirectoryName(server.SocketPath)!);
        File.WriteAllText(server.SocketPath, "");
        Assert.Contains("is no socket", Assert.Throws<ControlConnectionException>(() => server.Start()).Message);
        Assert.True(File.Exists(server.SocketPath));
    }

    [Fact]
    public async Task A_missing_socket_and_a_path_too_long_are_said()
    {
        ControlConnectionException missing = await Assert.ThrowsAsync<ControlConnectionException>(() => ControlClient.ConnectAsync("/nowhere/control.sock"));
        Assert.Equal("/nowhere/control.sock: there is no such socket; start the node's forwarder or give another socket", missing.Message);
        ControlConnectionException tooLong = await Assert.ThrowsAsync<ControlConnectionException>(() => ControlClient.ConnectAsync("/" + new string('x', 200)));
        Assert.Contains("give a shorter one", tooLong.Message);
    }

    [Fact]
    public async Task A_stop_answers_what_is_under_way_and_refuses_what_comes()
    {
        await using TestServer server = new TestServer().Start();
        using RawClient client = new(server.SocketPath);
        using RawClient idle = new(server.SocketPath);
        client.Send("""{"jsonrpc":"2.0","id":1,"method":"slow"}""" + "\n");
        while (Volatile.Read(ref server.SlowCount) == 0)
        {
            await Task.Yield();
        }

        Task stopped = server.Server.StopAsync();
        Assert.Null(await idle.ReadLineAsync());
        Assert.Equal((int)ErrorCode.ShuttingDown, (int)(await client.AskAsync("""{"jsonrpc":"2.0","id":2,"method":"slow"}"""))["error"]!["code"]!);
        Assert.Throws<SocketException>(() => new RawClient(server.SocketPath));
        server.Gate.SetResult();
        Assert.NotNull((await client.ReadAsync())["result"]);
        Assert.Null(await client.ReadLineAsync());
        await stopped;
    }

    [Fact]
    public async Task A_stop_does_not_wait_for_ever()
    {
        await using TestServer server = new TestServer(new ControlLimits { StopTimeout = TimeSpan.FromMilliseconds(100) }).Start();
        await using ControlClient client = await ControlClient.ConnectAsync(server.SocketPath);
        Task<ChangeResult> call = client.CallAsync("slow", new NoContent(), ControlJson.Default.NoContent, ControlJson.Default.ChangeResult);
        while (Volatile.Read(ref server.SlowCount) == 0)
        {
            await Task.Yield();
        }

        long start = Stopwatch.GetTimestamp();
        await server.Server.StopAsync();
        Assert.True(Stopwatch.GetElapsedTime(start) < TimeSpan.FromSeconds(4));
        await Assert.ThrowsAnyAsync<Exception>(() => call);
    }

    [Fact]
    public void Sockets_are_found_below_the_run_directory()
    {
        string directory = Directory.CreateTempSubdirectory("cmesh-").FullName;
        try
        {
            Assert.Empty(ControlPaths.Discover(Path.Combine(directory, "absent")));
            foreach (string node in (string[])["west-west-worker", "east-east-worker", "unfinished"])
            {
                Directory.CreateDirectory(Path.Combine(directory, node));
            }

            LeaveStale(Path.Combine(directory, "west-west-worker", "control.sock"));
            LeaveStale(Path.Combine(directory, "east-east-worker", "control.sock"));
            Assert.Equal(["east-east-worker", "west-west-worker"], ControlPaths.Discover(directory).Select(ControlPaths.NodeOf));
        }
        finally
        {
            Directory.Delete(directory, recursive: true);
        }
    }

    /// <summary>A process that dies leaves its socket's file: bound under another name and renamed, the file outlives the close.</summary>
    private static void LeaveStale(string path)
    {
        using (Socket socket = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified))
        {
            socket.Bind(new UnixDomainSocketEndPoint(path + "~"));
            File.Move(path + "~", path);
        }

        Assert.True(File.Exists(path));
    }
}
