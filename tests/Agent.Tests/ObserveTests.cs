using System.Net.Sockets;
using System.Text.RegularExpressions;
using ClusterMesh.Datapath.Control;
using ClusterMesh.Datapath.Control.Documents;
using ClusterMesh.Datapath.Control.Messages;
using ClusterMesh.Datapath.Forwarder.Tests;

namespace ClusterMesh.Datapath.Agent.Tests;

/// <summary>From the packet to the line: forwarder, agent and cmesh as processes, real TAPs between.</summary>
public sealed partial class ObserveTests
{
    internal const string Manifest = """
        apiVersion: v1
        kind: Pod
        metadata: {name: a, namespace: default, labels: {app: curl}}
        spec: {nodeName: west-worker}
        status: {podIPs: [{ip: 10.0.1.11}], conditions: [{type: Ready, status: "True"}]}
        ---
        apiVersion: v1
        kind: Pod
        metadata: {name: b, namespace: shop, labels: {app: web}}
        spec: {nodeName: west-worker}
        status: {podIPs: [{ip: 10.0.1.12}], conditions: [{type: Ready, status: "True"}]}
        ---
        apiVersion: v1
        kind: Service
        metadata: {name: web, namespace: shop}
        spec: {clusterIP: 10.2.0.1, selector: {app: web}, ports: [{port: 80, targetPort: 8080}]}
        """;

    [Fact]
    public async Task What_pods_do_comes_out_as_lines_with_names()
    {
        using World world = new();
        using ForwarderProcess forwarder = await ForwarderProcess.StartAsync(world);
        using AgentProcess agent = await AgentProcess.StartAsync(world);
        await ReadyAsync(world, agent);
        string since = $"--since {DateTime.UtcNow:O}";
        using Socket listener = world.Listen("b", 8080);
        Assert.Equal("10.0.1.11", world.Connect("a", "10.2.0.1", 80, listener));
        Assert.False(world.Ping("a", "10.0.1.77"));
        string lines = "";
        await Eventually.TrueAsync(() => (lines = Plain(agent.Run($"observe {since} --from-pod default/a").Output)).Contains("DROPPED"), () => lines + agent.Errors);
        (int code, string output) = agent.Run($"observe {since} --protocol tcp --tcp-flags SYN");
        Assert.Equal(
            """
            TIME: default/a:PORT (ID:N) -> shop/web:80 (world) from-endpoint TRANSLATED (TCP Flags: SYN)
            TIME: default/a:PORT (ID:N) -> shop/b:8080 (ID:N) to-endpoint FORWARDED (TCP Flags: SYN)
            TIME: default/a:PORT (ID:N) <- shop/b:8080 (ID:N) to-endpoint FORWARDED (TCP Flags: SYN, ACK)

            """, Plain(output));
        Assert.Equal(0, code);
        Assert.Equal("TIME: default/a (ID:N) -> 10.0.1.77 (world) Stale or unroutable IP DROPPED (ICMPv4 EchoRequest)\n", Plain(agent.Run("observe --last 1 --verdict DROPPED --ip 10.0.1.77").Output));
        Assert.Equal("", agent.Run("observe --all --from-pod shop/b --protocol udp").Output);
        Assert.Equal("", agent.Errors.Trim());
        Assert.Equal(0, await agent.StopAsync());
    }

    /// <summary>Applies the manifest and waits until events bear all its names: those of before keep what was known then.</summary>
    internal static async Task ReadyAsync(World world, AgentProcess agent)
    {
        await agent.ApplyAsync(Manifest);
        string shown = "";
        await Eventually.TrueAsync(
            () =>
            {
                using Socket knocking = world.Socket("a", SocketType.Stream);
                Assert.Throws<SocketException>(() => knocking.Connect("10.2.0.1", 80)); // Refused by the pod, or not known yet.
                shown = agent.Run("observe --last 3 --from-pod default/a").Output;
                return shown.Contains("shop/web:80", StringComparison.Ordinal) && KnownPod().IsMatch(shown);
            },
            () => shown + agent.Errors);
    }

    internal static string Plain(string output) => Identity().Replace(Port().Replace(Time().Replace(output, "TIME"), "default/a:PORT "), "ID:N");

    [GeneratedRegex(@"(?m)^\w{3} [ \d]\d \d\d:\d\d:\d\d\.\d{3}")]
    private static partial Regex Time();

    [GeneratedRegex(@"default/a:\d+ ")]
    private static partial Regex Port();

    [GeneratedRegex(@"shop/b:8080 \(ID:\d{5,}\)")]
    private static partial Regex KnownPod();

    [GeneratedRegex(@"ID:\d{5,}")]
    private static partial Regex Identity();
}
