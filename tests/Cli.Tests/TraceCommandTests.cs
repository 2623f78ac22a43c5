using System.Text.Json.Nodes;
using ClusterMesh.Datapath.State.Desired;
using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.Cli.Tests;

/// <summary>cmesh trace over two nodes: to the pod, and the answer back.</summary>
public sealed class TraceCommandTests : IAsyncDisposable
{
    private readonly DirectoryInfo _directory = Directory.CreateTempSubdirectory("cmesh-");
    private readonly List<TraceNode> _nodes = [];

    public async ValueTask DisposeAsync()
    {
        foreach (TraceNode node in _nodes)
        {
            await node.DisposeAsync();
        }

        _directory.Delete(recursive: true);
    }

    [Fact]
    public async Task It_follows_a_packet_to_the_pod_and_its_answer_back()
    {
        Mesh(exempt: "10.2.0.0/16");
        (int code, string output, string error) = await RunAsync("trace", "--from", "default/client", "--to", "default/web");
        Assert.Equal((0, ""), (code, error));
        string[] lines = output.Split('\n');
        Assert.Equal(
            ["west/worker (configuration 2)", "east/worker (configuration 2)", "east/worker, the answer (configuration 2)", "west/worker, the answer (configuration 2)"],
            lines.Where(l => l.Contains("(configuration", StringComparison.Ordinal)));
        Assert.Contains("  Service    frontend 10.9.0.1:80/TCP: 10.9.0.1:80/TCP (ClusterIP) of default/web: by chance among 1 active backend of east; destination becomes 10.2.1.9:8080/TCP of cluster east, node worker", lines);
        Assert.Contains("             now TCP 10.1.1.5:40000 -> 10.2.1.9:8080", lines);
        Assert.Contains("  Snat       masquerade rules: exempt: 10.2.1.9 is in nonMasqueradeCIDRs 10.2.0.0/16", lines);
        Assert.Contains("  RevDnat    frontend 1: the client sees the frontend 10.9.0.1:80", lines);
        Assert.Equal("east/worker: Delivered to pod default/web-1. (At west/worker: Waits until node east/worker (172.18.0.2) has told its MAC address.)", lines[^3]);
        Assert.Equal("The answer comes back the same way, to pod default/client of west/worker.", lines[^2]);
    }

    [Fact]
    public async Task It_says_where_the_answer_goes_astray()
    {
        Mesh(exempt: "10.2.0.0/16", eastKnowsWest: false);
        (_, string output, _) = await RunAsync("trace", "--from", "default/client", "--to", "10.2.1.9:8080");
        Assert.EndsWith("\nThe answer ends at east/worker. Dropped (FIB lookup failed): no route contains 10.1.1.5, an address of the mesh's pods: no node with a pod CIDR around it is known here.\n", output, StringComparison.Ordinal);
        Assert.Contains("\nTo do: Add its node (cmesh apply, nodes[].podCIDRs), or connect the cluster (cmesh clustermesh status).\n", output);
    }

    [Fact]
    public async Task It_says_what_the_other_node_sees_when_an_exemption_is_missing()
    {
        Mesh(exempt: "192.168.0.0/16");
        (_, string output, _) = await RunAsync("trace", "--from", "default/client:4711", "--to", "10.2.1.9:8080", "--hex");
        Assert.Contains("\nNote: 10.2.1.9 is a backend of default/web in cluster east, but no masquerade exemption contains it: it will see this node 172.18.0.1 instead of the pod 10.1.1.5.", output);
        Assert.Contains("  in         uplink: TCP 172.18.0.1:", output);
        Assert.EndsWith("\nThe answer comes back the same way, to pod default/client of west/worker.\n", output, StringComparison.Ordinal);
        Assert.Contains("             0000  02 00 00 00 00 01 02 00 00 01 00 05 08 00 45 00\n", output);
    }

    [Fact]
    public async Task A_drop_is_a_cause_and_a_cure_and_json_has_it_all()
    {
        Mesh(exempt: "10.2.0.0/16");
        (_, string output, _) = await RunAsync("trace", "--from", "default/client", "--to", "10.2.1.9:8080", "--length", "1501");
        Assert.EndsWith(
            "\nwest/worker: Dropped (Fragmentation needed): 1501 bytes do not fit uplink's MTU of 1500, and the packet may not be cut (DF).\n"
            + "To do: Lower the sender's MTU to 1500 (its path MTU discovery needs ICMP), or raise node.mtu on all nodes.\n", output, StringComparison.Ordinal);
        (_, output, _) = await RunAsync("trace", "--from", "default/client", "--to", "10.2.1.9:8080", "--length", "1501", "--df", "false", "-o", "json");
        JsonNode report = JsonNode.Parse(output)!;
        Assert.Equal(2, report["forth"]!.AsArray().Count);
        Assert.Equal("default/web-1", (string?)report["forth"]![1]!["packets"]![0]!["pod"]);
        Assert.Equal("Transmit", (string?)report["forth"]![0]!["packets"]![0]!["steps"]!.AsArray()[^1]!["stage"]);
    }

    [Fact]
    public async Task A_pod_that_two_nodes_have_is_not_guessed()
    {
        Mesh(exempt: "10.2.0.0/16");
        _nodes.Add(new TraceNode(_directory.FullName, "north", 3, new DesiredChange { Endpoints = [TraceNode.Pod("default/client", 3, 5)], Nodes = [TraceNode.Other("east", 2)] }));
        (int code, _, string error) = await RunAsync("trace", "--from", "default/client", "--to", "10.2.1.9:8080");
        Assert.Equal((2, "Error: from: several nodes have a pod 'default/client' (north-worker, west-worker); choose one with --node or --context\n"), (code, error));
        (_, string output, _) = await RunAsync("trace", "--context", "north", "--from", "default/client", "--to", "10.2.1.9:8080");
        Assert.StartsWith("north/worker (configuration", output, StringComparison.Ordinal);
        (_, output, _) = await RunAsync("trace", "--node", "west-worker", "--from", "default/client", "--to", "10.2.1.9:8080");
        Assert.StartsWith("west/worker (configuration", output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_packet_of_a_capture_goes_the_same_way()
    {
        Mesh(exempt: "10.2.0.0/16");
        (_, string json, _) = await RunAsync("trace", "--from", "default/client", "--to", "default/web", "--here", "-o", "json");
        byte[] frame = Convert.FromHexString((string)JsonNode.Parse(json)!["forth"]![0]!["packets"]![0]!["receivedFrame"]!);
        frame.AsSpan(0, 12).Fill(0x06); // Captured on another link.
        string file = Path.Combine(_directory.FullName, "bug.pcap");
        await File.WriteAllBytesAsync(file, [.. Pcap([0xFF, 0xFF, 0xFF, 0xFF]), .. Pcap(frame)[24..]]);
        (int code, string output, string error) = await RunAsync("trace", "--pcap", file, "--packet", "2", "--node", "west-worker");
        Assert.Equal((0, ""), (code, error));
        Assert.Contains("  in         default/client: TCP 10.1.1.5:40000 -> 10.9.0.1:80 SYN, hops 64, 54 bytes, 02:00:00:01:00:05 to 02:00:00:00:00:01\n", output);
        Assert.EndsWith("\nThe answer comes back the same way, to pod default/client of west/worker.\n", output, StringComparison.Ordinal);
        Assert.Equal($"Error: --packet: {file} has 2 packets, and 3 is none of them\n", (await RunAsync("trace", "--pcap", file, "--packet", "3", "--node", "west-worker")).Error);
        Assert.Equal($"Error: {file}.gone: there is no such file; check the path\n", (await RunAsync("trace", "--pcap", file + ".gone", "--node", "west-worker")).Error);
    }

    /// <summary>A pcap file of one packet: little endian, microseconds, Ethernet.</summary>
    private static byte[] Pcap(byte[] frame) =>
    [
        0xD4, 0xC3, 0xB2, 0xA1, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 0, 1, 0, 0, 0,
        1, 0, 0, 0, 0, 0, 0, 0, (byte)frame.Length, 0, 0, 0, (byte)frame.Length, 0, 0, 0, .. frame,
    ];

    [Theory]
    [InlineData("Error: say whose packet it is with --from, or take one from a capture with --pcap; see cmesh trace --help\n", "trace", "--to", "10.2.1.9:80")]
    [InlineData("Error: from: no node has a pod 'default/nobody'; cmesh --node NAME endpoint list shows a node's pods\n", "trace", "--from", "default/nobody", "--to", "10.2.1.9:80")]
    [InlineData("Error: a packet from a capture has its own ends; leave --from and --to out\n", "trace", "--pcap", "x.pcap", "--from", "a")]
    [InlineData("Error: --at: 'east' says no node and path; write east/east-worker=/path/control.sock\n", "trace", "--from", "default/client", "--to", "10.2.1.9:80", "--at", "east")]
    [InlineData("Error: flags: 'SIN' is no flag of TCP; use some of SYN, ACK, FIN, RST, PSH, URG, ECE, CWR with commas between\n", "trace", "--from", "default/client", "--to", "10.2.1.9:80", "--flags", "SIN")]
    public async Task A_mistake_is_a_sentence(string sentence, params string[] arguments)
    {
        Mesh(exempt: "10.2.0.0/16");
        (int code, _, string error) = await RunAsync(arguments);
        Assert.Equal((sentence, true), (error, code != 0));
    }

    private void Mesh(string exempt, bool eastKnowsWest = true)
    {
        var web = new ServiceSpec(
            "default/web", IpProtocol.Tcp, [new FrontendSpec(Pipeline.ServiceType.ClusterIP, IpAddress.Parse("10.9.0.1"), 80)],
            [new BackendSpec(IpAddress.Parse("10.2.1.9"), 8080, "east", "worker")], "test")
        {
            IsGlobal = true,
        };
        _nodes.Add(new TraceNode(_directory.FullName, "west", 1, new DesiredChange
        {
            Endpoints = [TraceNode.Pod("default/client", 1, 5)],
            Nodes = [TraceNode.Other("east", 2)],
            Services = [web],
            Masquerade = new MasqueradeSpec(true, [IpPrefix.Parse(exempt)]),
        }));
        _nodes.Add(new TraceNode(_directory.FullName, "east", 2, new DesiredChange
        {
            Endpoints = [TraceNode.Pod("default/web-1", 2, 9)],
            Nodes = eastKnowsWest ? [TraceNode.Other("west", 1)] : [],
            Masquerade = new MasqueradeSpec(true, [IpPrefix.Parse("10.1.0.0/16")]),
        }));
    }

    private async Task<(int Code, string Output, string Error)> RunAsync(params string[] arguments)
    {
        StringWriter output = new();
        StringWriter error = new();
        Screen screen = new(output, error, TextReader.Null, name => name == "CMESH_RUN_DIR" ? _directory.FullName : null, colours: false);
        int code = await CommandLine.RunAsync(arguments, screen);
        return (code, output.ToString(), error.ToString());
    }
}
