using System.Net.Sockets;
using System.Text.Json.Nodes;

namespace ClusterMesh.Datapath.Cli.Tests;

public sealed class CommandTests
{
    [Fact]
    public async Task Without_a_forwarder_it_says_where_it_looked_and_what_to_do()
    {
        await using FakeForwarder fake = new();
        Assert.Equal(
            (1, "", $"Error: no forwarder is there: nothing matches {fake.RunDirectory}/*/control.sock; start one with cmesh-forwarder --config FILE, or give --socket PATH\n"),
            await fake.RunAsync("status"));
    }

    [Fact]
    public async Task The_only_node_needs_no_choice()
    {
        await using FakeForwarder fake = new FakeForwarder().With("west", "west-worker");
        (int code, string output, string error) = await fake.RunAsync("status");
        Assert.Equal((0, ""), (code, error));
        Assert.Contains("\nClusterMesh:   disabled\n", output);
    }

    [Fact]
    public async Task With_several_nodes_one_must_be_chosen()
    {
        await using FakeForwarder fake = new FakeForwarder().With("west", "west-worker").With("east", "east-worker").With("west", "west-control-plane");
        Assert.Equal(
            (2, "", "Error: several nodes are there, choose one with --node: east-east-worker, west-west-control-plane, west-west-worker\n"),
            await fake.RunAsync("status"));
        Assert.Equal(
            (1, "", $"Error: no node \"nope\" is there below {fake.RunDirectory}; there are east-east-worker, west-west-control-plane, west-west-worker\n"),
            await fake.RunAsync("status", "--node", "nope"));
        foreach ((string[] choice, string node) in (((string[], string)[])[
            (["--node", "east-worker"], "east-worker, cluster east"),
            (["--node", "west-west-worker"], "west-worker, cluster west"),
            (["--context", "west"], "west-control-plane, cluster west"),
            (["--context", "east"], "east-worker, cluster east"),
            (["--socket", fake.SocketOf("east-east-worker")], "east-worker, cluster east")]))
        {
            (int code, string output, string error) = await fake.RunAsync(["status", .. choice]);
            Assert.Equal((0, ""), (code, error));
            Assert.Contains($"Node:          {node}", output);
        }

        fake.Environment["CMESH_SOCKET"] = fake.SocketOf("west-west-worker");
        Assert.Contains("west-worker, cluster west", (await fake.RunAsync("status")).Output);
        Assert.Contains("east-worker, cluster east", (await fake.RunAsync("--node", "east-worker", "status")).Output);
    }

    [Fact]
    public async Task A_refusal_is_one_sentence_and_code_1()
    {
        await using FakeForwarder fake = new FakeForwarder().With("west", "west-worker");
        Assert.Equal((1, "", "Error: tap0: gone; is another node running in this namespace?\n"), await fake.RunAsync("port", "list"));
        Assert.Equal(1, (await fake.RunAsync("port", "list", "--watch")).Code);
        (int code, _, string error) = await fake.RunAsync("counters");
        Assert.Equal(1, code);
        Assert.StartsWith("Error: kind: there is no \"counter\"", error);
        Assert.Equal((1, "", "Error: /nowhere/c.sock: there is no such socket; start the node's forwarder or give another socket\n"), await fake.RunAsync("status", "--socket", "/nowhere/c.sock"));
    }

    [Theory]
    [InlineData("frobnicate")]
    [InlineData("status", "--nope")]
    [InlineData("status", "-o", "xml")]
    [InlineData("delete", "port", "x")]
    [InlineData("delete", "service")]
    [InlineData("apply")]
    [InlineData("completion", "fish")]
    [InlineData("endpoint")]
    [InlineData("status", "--timeout", "0")]
    [InlineData("status", "--timeout", "soon")]
    [InlineData("replay", "--node", "x", "--config", "a", "--in", "b")]
    public async Task Wrong_usage_is_code_2(params string[] arguments)
    {
        await using FakeForwarder fake = new();
        (int code, string output, string error) = await fake.RunAsync(arguments);
        Assert.Equal((2, ""), (code, output));
        Assert.Matches("^Error: .*; see cmesh.* --help\n$", error);
    }

    [Theory]
    [InlineData("there is no command 'snat'; did you mean 'nat'?; see cmesh --help", "snat", "--help")]
    [InlineData("there is no command 'conntrack'; did you mean 'ct'?; see cmesh --help", "conntrack", "list")]
    [InlineData("there is no command 'stauts'; did you mean 'status'?; see cmesh --help", "--timeout", "3", "stauts", "-v")]
    [InlineData("there is no command 'lst'; did you mean 'list'?; see cmesh service --help", "service", "lst", "-h")]
    [InlineData("there is no command 'frobnicate'; there are view; see cmesh config --help", "config", "frobnicate")]
    public async Task An_unknown_command_is_answered_with_the_nearest(string sentence, params string[] arguments)
    {
        await using FakeForwarder fake = new();
        Assert.Equal((2, "", $"Error: {sentence}\n"), await fake.RunAsync(arguments));
    }

    [Fact]
    public async Task A_status_with_a_warning_is_code_1()
    {
        await using FakeForwarder fake = new FakeForwarder { Answered = FakeForwarder.Status }.With("west", "west-worker");
        (int code, string output, string error) = await fake.RunAsync("status");
        Assert.Equal((1, ""), (code, error));
        Assert.Contains("\nPorts:         Warning   1 up, 1 down\n", output);
        Assert.Equal(1, (await fake.RunAsync("status", "-o", "json")).Code);
        Assert.Contains("exit code is 1 when anything is in Warning", (await fake.RunAsync("status", "--help")).Output);
    }

    [Fact]
    public async Task A_forwarder_that_does_not_answer_is_given_up()
    {
        await using FakeForwarder fake = new();
        string path = Path.Combine(fake.RunDirectory, "stopped.sock");
        using Socket stopped = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        stopped.Bind(new UnixDomainSocketEndPoint(path));
        stopped.Listen(64);
        string error = $"Error: the forwarder behind {path} has not answered for 1 s; is it stopped or overloaded?\n";
        string[] arguments = ["--socket", path, "--timeout", "1"];
        (int, string, string)[] ends = await Task.WhenAll(
            fake.RunAsync(["status", .. arguments]),
            fake.RunAsync(["endpoint", "list", .. arguments]),
            fake.RunAsync(["endpoint", "list", "--watch", .. arguments]),
            fake.RunAsync(["config", "view", .. arguments]),
            fake.RunAsync(["delete", "service", "a", .. arguments]),
            fake.RunAsync("{}", ["apply", "-f", "-", .. arguments]));
        Assert.All(ends, end => Assert.Equal((1, "", error), end));
    }

    [Fact]
    public async Task Lists_print_a_table_or_json()
    {
        await using FakeForwarder fake = new FakeForwarder().With("west", "west-worker");
        Assert.Equal((0, "IP PREFIX/ADDRESS\n10.1.0.0/16\n169.254.0.0/16\n", ""), await fake.RunAsync("ipmasq", "list"));
        JsonArray rows = JsonNode.Parse((await fake.RunAsync("ipmasq", "list", "-o", "json")).Output)!.AsArray();
        Assert.Equal(["169.254.0.0/16", "10.1.0.0/16"], rows.Select(row => (string)row!["prefix"]!));
        Assert.Equal((0, "[]\n", ""), await fake.RunAsync("node", "list", "-o", "json"));
        Assert.Equal((0, "CLUSTER   NAME   ADDRESSES   POD CIDRS\n", ""), await fake.RunAsync("node", "list"));
        Assert.Equal("west-worker", (string)JsonNode.Parse((await fake.RunAsync("status", "-o", "json")).Output)!["node"]!);
    }

    [Fact]
    public async Task A_long_dump_is_printed_whole()
    {
        await using FakeForwarder fake = new FakeForwarder().With("west", "west-worker");
        string[] lines = (await fake.RunAsync("ct", "list")).Output.TrimEnd('\n').Split('\n');
        Assert.Equal(120_000, lines.Distinct().Count());
        Assert.StartsWith("UDP OUT 10.0.1.105:119999 -> 10.1.1.2:53 expires=60 ", lines[^1]);
    }

    [Fact]
    public async Task Changes_are_applied_from_files_and_standard_input()
    {
        await using FakeForwarder fake = new FakeForwarder().With("west", "west-worker");
        string file = Path.Combine(fake.RunDirectory, "change.json");
        File.WriteAllText(file, """{"services":[{"name":"a"},{"name":"b"}]}""");
        Assert.Equal(
            (0, $"{file}: 2 objects changed (version 13)\n-: nothing to change (version 13)\n", ""),
            await fake.RunAsync("{}", ["apply", "-f", file, "-", "--replace"]));
        Assert.Equal(["Replace 2 services", "Replace 0 services"], fake.Changes);

        Assert.Equal((1, "", "Error: -: routes[0].prefix: \"bad\" is no prefix\n"), await fake.RunAsync("routes:\n- prefix: bad\n", ["apply", "-f", "-"]));
        Assert.Equal(
            (1, "", "Error: standard input:2: services[0].nmae: unknown field 'nmae'; did you mean 'name'?\n"), await fake.RunAsync("services:\n- nmae: a\n", ["apply", "-f", file, "-f", "-"]));
        Assert.StartsWith("Error: /nowhere.yaml: there is no such file", (await fake.RunAsync("apply", "-f", file, "-f", "/nowhere.yaml")).Error);
        Assert.Equal(2, fake.Changes.Count);
    }

    [Fact]
    public async Task Objects_are_deleted_by_name()
    {
        await using FakeForwarder fake = new FakeForwarder().With("west", "west-worker");
        Assert.Equal((0, "service default/a, default/b deleted (version 14)\n", ""), await fake.RunAsync("delete", "service", "default/a", "default/b"));
        Assert.Equal(["delete service default/a default/b"], fake.Changes);
    }

    [Fact]
    public async Task The_configuration_is_shown_as_yaml_or_json()
    {
        await using FakeForwarder fake = new FakeForwarder().With("west", "west-worker");
        (int code, string output, string error) = await fake.RunAsync("config", "view");
        Assert.Equal((0, ""), (code, error));
        Assert.StartsWith("node:\n  name: west-worker\n  cluster: west\n  clusterId: 1\n", output);
        Assert.Matches("\n +nonMasqueradeCIDRs:[\\s-]+10\\.1\\.0\\.0/16\n", output);
        Assert.Matches("\n +autoDirectNodeRoutes: true\n", output);
        Assert.Equal("west", (string)JsonNode.Parse((await fake.RunAsync("config", "view", "-o", "json")).Output)!["node"]!["cluster"]!);
    }

    [Fact]
    public async Task Version_and_help_need_no_forwarder()
    {
        await using FakeForwarder fake = new();
        Assert.Equal((0, "cmesh 0.1.0\n", ""), await fake.RunAsync("--version"));
        string replay = (await fake.RunAsync("replay", "--help")).Output;
        Assert.Contains("--in", replay);
        Assert.DoesNotContain("--socket", replay);
        Assert.DoesNotContain("--timeout", (await fake.RunAsync("completion", "--help")).Output);
        Assert.Contains("--timeout <SECONDS>", (await fake.RunAsync("endpoint", "list", "--help")).Output);
        Assert.Contains("--node <NAME>", (await fake.RunAsync("--help")).Output);
        Assert.Contains("--clustermesh-affinity", (await fake.RunAsync("service", "list", "--help")).Output);
    }
}
