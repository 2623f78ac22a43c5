using System.Net.Sockets;

namespace ClusterMesh.Datapath.Cli.Tests;

public sealed class CompletionTests
{
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

    [Theory]
    [InlineData("delete ", "endpoint identity ipcache node policy route service")]
    [InlineData("delete se", "service")]
    [InlineData("delete service", "service")]
    [InlineData("delete service ", "default/webpod kube-system/kube-dns:dns")]
    [InlineData("delete service default/webpod kube", "kube-system/kube-dns:dns")]
    [InlineData("delete endpoint ", "default/curl-pod")]
    [InlineData("delete node ", "east/east-worker west/other")]
    [InlineData("delete route ", "192.168.7.0/24")]
    public async Task What_can_be_deleted_is_asked_of_the_forwarder(string line, string offered)
    {
        await using FakeForwarder fake = new FakeForwarder().With("west", "west-worker");
        Assert.Equal(offered.Split(' '), (await SuggestAsync(fake, line)).Where(word => !word.StartsWith('-') && word is not ("-?" or "/?" or "/h")).Order());
    }

    [Fact]
    public async Task Nothing_is_offered_when_no_forwarder_answers()
    {
        await using FakeForwarder fake = new();
        Assert.DoesNotContain(await SuggestAsync(fake, "delete service "), word => word.Contains("web") || word == "service");
        Directory.CreateDirectory(Path.GetDirectoryName(fake.SocketOf("west-worker"))!);
        using Socket stopped = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        stopped.Bind(new UnixDomainSocketEndPoint(fake.SocketOf("west-worker")));
        stopped.Listen(1);
        Assert.DoesNotContain(await SuggestAsync(fake, "delete service "), word => word.Contains("web") || word == "service");
    }

    private static async Task<string[]> SuggestAsync(FakeForwarder fake, string line)
    {
        (int code, string output, string error) = await fake.RunAsync($"[suggest:{line.Length}]", line);
        Assert.Equal((0, ""), (code, error));
        return output.Split('\n', StringSplitOptions.RemoveEmptyEntries);
    }
}
