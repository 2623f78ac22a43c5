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
    public async Task Wrong_usage_is_code_2(params string[] arguments)
    {
        await using FakeForwarder fake = new();
        (int code, string output, string error) = await fake.RunAsync(arguments);
        Assert.Equal((2, ""), (code, output));
        Assert.Matches("^Error: .*; see cmesh.* --help\n$", error);
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

    [Theory]
    [InlineData(false, "IP PREFIX/ADDRESS\n10.1.0.0/16\n169.254.0.0/16\n", "ADDED     10.5.0.0/16\nREMOVED   10.1.0.0/16\n")]
    [InlineData(true, "{\"subscription\":1,\"kind\":\"masquerade\",\"type\":\"added\",\"key\":\"169.254.0.0/16\"", "\"type\":\"removed\",\"key\":\"10.1.0.0/16\"}\n")]
    public async Task A_watch_prints_what_changes_until_interrupted(bool json, string first, string then)
    {
        await using FakeForwarder fake = new FakeForwarder().With("west", "west-worker");
        using CancellationTokenSource interrupt = new();
        StringWriter inner = new();
        TextWriter output = TextWriter.Synchronized(inner);
        string[] arguments = ["ipmasq", "list", "--watch", .. json ? (string[])["-o", "json"] : []];
        Task<(int Code, string Output, string Error)> watch = fake.RunAsync("", arguments, output, interrupt.Token);
        await UntilAsync(() => Printed().Contains(json ? "synced\"}\n" : "169.254.0.0/16\n"));
        Assert.StartsWith(first, Printed());
        fake.Exemptions = [new("169.254.0.0/16"), new("10.5.0.0/16")];
        fake.NotifyChanged();
        await UntilAsync(() => Printed().EndsWith(then));
        await interrupt.CancelAsync();
        (int code, _, string error) = await watch;
        Assert.Equal((0, ""), (code, error));

        // A synchronized writer locks itself.
        string Printed()
        {
            lock (output)
            {
                return inner.ToString();
            }
        }
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
    public async Task Completion_offers_commands_options_and_nodes()
    {
        await using FakeForwarder fake = new FakeForwarder().With("west", "west-worker").With("east", "east-worker");
        Assert.Contains("status", await SuggestAsync(fake, "sta"));
        string[] commands = await SuggestAsync(fake, "");
        Assert.Empty(new[] { "status", "service", "apply", "ct", "counters", "completion" }.Except(commands));
        Assert.Contains("--clustermesh-affinity", await SuggestAsync(fake, "service list --clu"));
        Assert.Equal(["endpoint", "node", "route", "service"], (await SuggestAsync(fake, "delete ")).Intersect(["endpoint", "node", "route", "service", "port"]).Order());
        Assert.Equal(["east-east-worker", "west-west-worker"], (await SuggestAsync(fake, "status --node ")).Order());
        Assert.Contains("[suggest:", (await fake.RunAsync("completion", "bash")).Output);
        Assert.Contains("compdef _cmesh cmesh", (await fake.RunAsync("completion", "zsh")).Output);
    }

    [Fact]
    public async Task Version_and_help_need_no_forwarder()
    {
        await using FakeForwarder fake = new();
        Assert.Equal(0, (await fake.RunAsync("--version")).Code);
        Assert.Contains("--clustermesh-affinity", (await fake.RunAsync("service", "list", "--help")).Output);
    }

    private static async Task<string[]> SuggestAsync(FakeForwarder fake, string line)
    {
        (int code, string output, string error) = await fake.RunAsync($"[suggest:{line.Length}]", line);
        Assert.Equal((0, ""), (code, error));
        return output.Split('\n', StringSplitOptions.RemoveEmptyEntries);
    }

    private static async Task UntilAsync(Func<bool> condition)
    {
        using CancellationTokenSource patience = new(TimeSpan.FromSeconds(20));
        while (!condition())
        {
            await Task.Delay(10, patience.Token);
        }
    }
}
