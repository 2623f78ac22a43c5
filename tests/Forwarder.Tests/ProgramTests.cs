namespace ClusterMesh.Datapath.Forwarder.Tests;

/// <summary>The program from its start to its end: exit codes, sentences, and that nothing is left.</summary>
public sealed class ProgramTests
{
    [Theory]
    [InlineData("SIGTERM")]
    [InlineData("SIGINT")]
    public async Task A_stop_leaves_nothing(string signal)
    {
        using World world = new();
        using ForwarderProcess forwarder = await ForwarderProcess.StartAsync(world);
        Assert.True(world.HasInterface("a", "eth0") && world.HasInterface("host", "eth0") && world.HasInterface("net", "west-worker"));
        forwarder.Signal(signal);
        Assert.Equal(0, await forwarder.EndAsync());
        Assert.Equal("", forwarder.Errors);
        Assert.False(world.HasInterface("a", "eth0") || world.HasInterface("b", "eth0") || world.HasInterface("host", "eth0") || world.HasInterface("net", "west-worker"));
        Assert.False(File.Exists(world.SocketPath));
    }

    [Fact]
    public async Task A_killed_forwarder_is_started_again_at_once()
    {
        using World world = new();
        using (ForwarderProcess first = await ForwarderProcess.StartAsync(world))
        {
            first.Signal("SIGKILL");
            Assert.Equal(137, await first.EndAsync());
        }

        Assert.True(File.Exists(world.SocketPath));
        using ForwarderProcess second = await ForwarderProcess.StartAsync(world);
        Assert.True(world.Ping("a", "10.0.1.12"));
    }

    [Fact]
    public async Task A_second_forwarder_on_the_same_socket_is_refused_and_the_first_goes_on()
    {
        using World world = new();
        using ForwarderProcess first = await ForwarderProcess.StartAsync(world);
        (int code, string output, string errors) = await ForwarderProcess.RunAsync(world, $"--config {world.NodeFile()}");
        Assert.Equal((1, "", $"cmesh-forwarder: another process answers on {world.SocketPath}; stop it or give another socket\n"), (code, output, errors));
        await using Control.ControlClient client = await ForwarderProcess.ConnectAsync(world);
        Assert.Equal("west-worker", (await client.GetStatusAsync()).Node);
        Assert.True(world.Ping("a", "10.0.1.12"));
    }

    [Fact]
    public async Task A_second_forwarder_on_the_same_devices_is_refused_and_leaves_them()
    {
        using World world = new();
        using ForwarderProcess first = await ForwarderProcess.StartAsync(world);
        string socket = Path.Combine(world.RunDirectory, "other.sock");
        (int code, _, string errors) = await ForwarderProcess.RunAsync(world, $"--config {world.NodeFile($"socket: {socket}", "other.yaml")}");
        Assert.Equal(1, code);
        Assert.Equal(
            $"cmesh-forwarder: uplink: interface west-worker in namespace {world.Namespace("net")} is already there (is another forwarder running for it?)\n", errors);
        Assert.False(File.Exists(socket));
        Assert.True(world.Ping("a", "10.0.1.12"));
    }

    [Fact]
    public async Task A_mistake_in_the_node_file_is_said_with_its_line_before_anything_is_touched()
    {
        using World world = new();
        string file = world.NodeFile("services:\n  - name: web\n    frontend: []");
        (int code, string output, string errors) = await ForwarderProcess.RunAsync(world, $"--config {file}");
        Assert.Equal((2, ""), (code, output));
        Assert.Matches($"^cmesh-forwarder: {file}:[0-9]+: services\\[0\\]\\.frontend: unknown field 'frontend'; did you mean 'frontends'\\?\n$", errors);

        // What only shows between objects is refused as well, and says which.
        file = world.NodeFile("  - {name: default/c, namespace: c, addresses: [10.0.1.11]}");
        (code, _, errors) = await ForwarderProcess.RunAsync(world, $"--config {file} --check");
        Assert.Equal(2, code);
        Assert.Matches($"^cmesh-forwarder: {file}:[0-9]+: endpoint default/c: address 10\\.0\\.1\\.11 is that of endpoint default/a already; give each its own\n$", errors);
        Assert.False(world.HasInterface("a", "eth0"));
    }

    [Fact]
    public async Task The_command_line_is_checked_and_a_good_file_is_called_valid()
    {
        using World world = new();
        string file = world.NodeFile();
        (int code, string output, string errors) = await ForwarderProcess.RunAsync(world, $"--config {file} --check");
        Assert.Equal((0, $"{file}: valid", ""), (code, output, errors));
        (code, output, _) = await ForwarderProcess.RunAsync(world, "--version");
        Assert.Equal(0, code);
        Assert.Matches("^cmesh-forwarder [0-9]", output);
        (code, _, errors) = await ForwarderProcess.RunAsync(world, "");
        Assert.Equal(2, code);
        Assert.Contains("usage: cmesh-forwarder", errors);
        (code, _, errors) = await ForwarderProcess.RunAsync(world, "--config /nowhere/node.yaml");
        Assert.Equal(2, code);
        Assert.StartsWith("cmesh-forwarder: /nowhere/node.yaml", errors);
    }

    [Theory]
    [InlineData("--conf x", "unknown option '--conf'; see cmesh-forwarder --help")]
    [InlineData("--check", "no node file is given; say --config NODE.YAML")]
    [InlineData("--config", "--config wants a value")]
    [InlineData("--config a --config b", "--config is given twice")]
    [InlineData("--config a --engine uring", "--engine uring: give auto, io_uring or readiness")]
    [InlineData("--config a --spin -1", "--spin -1: give a number of microseconds from 0 to 10000")]
    [InlineData("--config a --spin 10001", "--spin 10001: give a number of microseconds from 0 to 10000")]
    public async Task A_mistake_on_the_command_line_is_said_in_one_sentence(string arguments, string mistake)
    {
        using World world = new();
        (int code, string output, string errors) = await ForwarderProcess.RunAsync(world, arguments);
        Assert.Equal((2, "", $"cmesh-forwarder: {mistake}\n"), (code, output, errors));
    }

    [Fact]
    public async Task A_pod_without_its_namespace_stops_the_start_and_leaves_nothing()
    {
        using World world = new();
        world.Remove("b");
        (int code, _, string errors) = await ForwarderProcess.RunAsync(world, $"--config {world.NodeFile()}");
        string ns = world.Namespace("b");
        Assert.Equal(
            (1, $"cmesh-forwarder: default/b: network namespace '{ns}' does not exist (/run/netns/{ns}); create it with: ip netns add {ns}\n"), (code, errors));
        Assert.False(world.HasInterface("a", "eth0") || world.HasInterface("host", "eth0") || world.HasInterface("net", "west-worker") || File.Exists(world.SocketPath));
    }
}
