using System.Net;
using System.Text.Json;
using ClusterMesh.Datapath.Forwarder.Tests;
using ClusterMesh.Datapath.Pipeline;

namespace ClusterMesh.Datapath.Agent.Tests;

/// <summary>The web page's endpoints over HTTP: shapes, bad questions, and who is let in.</summary>
public sealed class PageTests
{
    [Fact]
    public async Task The_agent_serves_what_its_node_sees()
    {
        using World world = new();
        using ForwarderProcess forwarder = await ForwarderProcess.StartAsync(world);
        int port = EtcdServer.FreePort();
        using AgentProcess agent = await AgentProcess.StartAsync(world, $"  web: 127.0.0.1:{port}");
        await ObserveTests.ReadyAsync(world, agent);
        using HttpClient client = new() { BaseAddress = new Uri($"http://127.0.0.1:{port}") };
        Assert.False(world.Ping("a", "10.0.1.77"));
        JsonElement[] drops = [];
        await Eventually.TrueAsync(() => (drops = Rows(client, "/data/flows?verdict=dropped&q=10.0.1.77", "flows")).Length > 0, () => agent.Errors);
        Assert.Equal(
            ("DROPPED", 151, "Stale or unroutable IP", "pod", "west", "default", "a", "ICMPv4"),
            (Text(drops[0], "verdict"), drops[0].GetProperty("reason").GetInt32(), Text(drops[0], "words"), Text(drops[0].GetProperty("source"), "kind"), Text(drops[0].GetProperty("source"), "cluster"),
                Text(drops[0].GetProperty("source"), "namespace"), Text(drops[0].GetProperty("source"), "name"), Text(drops[0], "protocol")));

        JsonElement status = Get(client, "/data/status");
        Assert.Equal(("west", "west-worker", "Ok"), (Text(status, "cluster"), Text(status, "node"), Text(status.GetProperty("agent"), "state")));
        Assert.Equal(65_536, status.GetProperty("tables")[0].GetProperty("capacity").GetInt64());
        Assert.True(status.GetProperty("nodes")[0].GetProperty("local").GetBoolean());
        Assert.Contains(status.GetProperty("drops").EnumerateArray(), d => d.GetProperty("reason").GetInt32() == 151);

        // From the pod to the service, and from the service on to its backend.
        string[] arrows = [.. Rows(client, "/data/map", "arrows").Select(a => $"{Text(a, "from")} > {Text(a, "to")}")];
        Assert.Contains("pod:west:default/a > service:west:shop/web", arrows);
        Assert.Contains("service:west:shop/web > pod:west:shop/b", arrows);
        Assert.Contains("pod:west:default/a > world::/10.0.1.77", arrows);
        Assert.Contains(Rows(client, "/data/reasons", "reasons"), r => Text(r, "when").StartsWith("The destination is in the node's pod CIDRs", StringComparison.Ordinal));
        Assert.Equal(0, await agent.StopAsync());
    }

    [Fact]
    public async Task A_stream_tells_what_matches_as_it_comes()
    {
        await using PageHost host = await PageHost.StartAsync();
        using HttpClient client = new() { BaseAddress = new Uri(host.Address) };
        using StreamReader stream = new(await client.GetStreamAsync(new Uri("/data/stream?verdict=DROPPED", UriKind.Relative)));
        Assert.Equal("""data: {"flows":[],"skipped":0}""", await stream.ReadLineAsync());
        Assert.Equal("", await stream.ReadLineAsync());
        host.Connect("10.0.1.105", "10.0.1.14");
        host.Drop("10.0.1.105", "10.1.1.7", 5432, DropReason.PolicyDenied);
        JsonElement flow;
        do
        {
            string? line = await stream.ReadLineAsync().WaitAsync(TimeSpan.FromSeconds(10));
            flow = line?.Length > 0 && JsonDocument.Parse(line["data: ".Length..]).RootElement.GetProperty("flows") is { } flows && flows.GetArrayLength() > 0 ? flows[0] : default;
        }
        while (flow.ValueKind == JsonValueKind.Undefined);
        Assert.Equal((133, 5432, "orders-0", "east"), (flow.GetProperty("reason").GetInt32(), flow.GetProperty("destination").GetProperty("port").GetInt32(), Text(flow.GetProperty("destination"), "name"), Text(flow.GetProperty("destination"), "cluster")));
    }

    [Theory]
    [InlineData("/data/flows?verdict=LOST", "verdict: no such verdict; use FORWARDED, DROPPED, TRANSLATED, AUDIT, REDIRECTED, TRACED or ERROR")]
    [InlineData("/data/flows?verdict=2", "verdict: no such verdict; use FORWARDED, DROPPED, TRANSLATED, AUDIT, REDIRECTED, TRACED or ERROR")]
    [InlineData("/data/flows?reason=300", "reason: not a number from 1 to 255")]
    [InlineData("/data/flows?last=0", "last: not a number from 1 to 1000")]
    [InlineData("/data/map?seconds=1e3", "seconds: not a number from 1 to 600")]
    [InlineData("/data/stream?reason=x", "reason: not a number from 1 to 255")]
    public async Task A_bad_question_gets_one_sentence(string path, string sentence)
    {
        await using PageHost host = await PageHost.StartAsync();
        using HttpClient client = new() { BaseAddress = new Uri(host.Address) };
        using HttpResponseMessage answer = await client.GetAsync(new Uri(path, UriKind.Relative));
        Assert.Equal(HttpStatusCode.BadRequest, answer.StatusCode);
        Assert.Equal(sentence, Text(JsonDocument.Parse(await answer.Content.ReadAsStringAsync()).RootElement, "error"));
    }

    [Theory]
    [InlineData("Host", "evil.example", HttpStatusCode.Forbidden)] // A name that was pointed to this machine.
    [InlineData("Host", "10.0.1.11", HttpStatusCode.Forbidden)]
    [InlineData("Host", "localhost:9000", HttpStatusCode.OK)] // ssh -L 9000:127.0.0.1:8081
    [InlineData("Host", "[::1]:8081", HttpStatusCode.OK)]
    [InlineData("Origin", "http://evil.example", HttpStatusCode.Forbidden)]
    [InlineData("Origin", "null", HttpStatusCode.Forbidden)]
    [InlineData("Sec-Fetch-Site", "cross-site", HttpStatusCode.Forbidden)]
    [InlineData("Sec-Fetch-Site", "same-origin", HttpStatusCode.OK)]
    public async Task Only_the_page_itself_is_let_in(string header, string value, HttpStatusCode code)
    {
        await using PageHost host = await PageHost.StartAsync();
        using HttpClient client = new() { BaseAddress = new Uri(host.Address) };
        using HttpRequestMessage request = new(HttpMethod.Get, "/data/status");
        request.Headers.TryAddWithoutValidation(header, value);
        using HttpResponseMessage answer = await client.SendAsync(request);
        Assert.Equal(code, answer.StatusCode);
        Assert.StartsWith("default-src 'none'; script-src 'self'", answer.Headers.GetValues("Content-Security-Policy").Single());
        Assert.False(answer.Headers.Contains("Access-Control-Allow-Origin"));
        using HttpResponseMessage change = await client.PostAsync(new Uri("/data/status", UriKind.Relative), null);
        Assert.Equal(HttpStatusCode.MethodNotAllowed, change.StatusCode);
        Assert.Equal(HttpStatusCode.NotFound, (await client.GetAsync(new Uri("/agent.yaml", UriKind.Relative))).StatusCode);
    }

    [Fact]
    public async Task The_page_is_offered_to_this_machine_only()
    {
        string directory = Directory.CreateTempSubdirectory("cmesh-page-").FullName;
        try
        {
            string file = Path.Combine(directory, "agent.yaml");
            await File.WriteAllTextAsync(file, "cluster: {name: west, id: 1}\nnode: {name: w, addresses: [172.18.0.5]}\nobserve: {web: '0.0.0.0:8081'}\n");
            (int code, string output) = Command.TryRun(Path.Combine(AppContext.BaseDirectory, "cmesh-agent"), $"--config {file} --check");
            Assert.Equal(2, code);
            Assert.Contains("'0.0.0.0:8081' is neither off nor a loopback address and a port like 127.0.0.1:8081", output);
            await File.WriteAllTextAsync(file, "cluster: {name: west, id: 1}\nnode: {name: w, addresses: [172.18.0.5]}\nobserve: {web: off}\n");
            Assert.Equal(0, Command.TryRun(Path.Combine(AppContext.BaseDirectory, "cmesh-agent"), $"--config {file} --check").Code);
        }
        finally
        {
            Directory.Delete(directory, recursive: true);
        }
    }

    private static JsonElement Get(HttpClient client, string path) => JsonDocument.Parse(client.GetStringAsync(new Uri(path, UriKind.Relative)).GetAwaiter().GetResult()).RootElement;

    private static JsonElement[] Rows(HttpClient client, string path, string name) => [.. Get(client, path).GetProperty(name).EnumerateArray()];

    private static string Text(JsonElement element, string name) => element.GetProperty(name).GetString()!;
}
