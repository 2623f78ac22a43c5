using System.CommandLine;
using ClusterMesh.Datapath.Cli.Text;
using ClusterMesh.Datapath.Control;
using ClusterMesh.Datapath.Control.Messages;
using ClusterMesh.Datapath.Control.Rows;
using ClusterMesh.Datapath.Replay;

namespace ClusterMesh.Datapath.Cli.Commands;

/// <summary>cmesh trace: a packet that never was, through the pipeline of running forwarders, from node to node, with every decision explained.</summary>
internal static class TraceCommand
{
    public static Command Build(Screen screen, NodeChoice choice)
    {
        Command command = new("trace", "Say what would become of a packet, stage by stage and node by node, and why. Changes nothing.");
        Option<string> from = new("--from") { Description = "A pod (default/curl-pod), host, or an address; :PORT behind it, or 40000.", HelpName = "END" };
        Option<string> to = new("--to") { Description = "A service, a pod, or an address; :PORT behind it.", HelpName = "END" };
        Option<string> protocol = new("--protocol") { Description = "tcp, udp, sctp or icmp; the service's or tcp when left out.", HelpName = "NAME" };
        Option<string> flags = new("--flags") { Description = "Of TCP: SYN, or several as in SYN,ACK.", HelpName = "FLAGS" };
        Option<int?> ttl = new("--ttl") { Description = "Hops left; 64 when left out.", HelpName = "N" };
        Option<int?> length = new("--length") { Description = "Bytes of the IP packet; as short as can be when left out.", HelpName = "N" };
        Option<bool?> df = new("--df") { Description = "Whether routers may not fragment it; TCP has it unless this is false.", HelpName = "BOOL" };
        Option<string> port = new("--in") { Description = "The port it comes in by: an endpoint's name, host or uplink; follows from its source when left out.", HelpName = "PORT" };
        Option<string> pcap = new("--pcap") { Description = "Take the packet from a capture (pcap or pcapng).", HelpName = "FILE" };
        Option<int> number = new("--packet") { Description = "Which packet of the capture, from 1.", HelpName = "N", DefaultValueFactory = _ => 1 };
        Option<string[]> at = new("--at") { Description = "Where another node's control socket is, if not in the run directory.", HelpName = "CLUSTER/NODE=PATH" };
        Option<bool> here = new("--here") { Description = "Stop at this node: do not follow the packet to others, nor its answer." };
        Option<bool> hex = new("--hex") { Description = "Show the frames' bytes." };
        Option<string> output = Options.Output("text", "json");
        foreach (Option option in (Option[])[from, to, protocol, flags, ttl, length, df, port, pcap, number, at, here, hex, output])
        {
            command.Add(option);
        }

        command.SetAction(async (parsed, cancellation) =>
        {
            TracePacket packet = parsed.GetValue(pcap) is { } file
                ? Captured(file, parsed.GetValue(number), parsed.GetValue(port), parsed.GetValue(from) ?? parsed.GetValue(to))
                : new TracePacket
                {
                    From = parsed.GetValue(from) ?? throw new UsageException("say whose packet it is with --from, or take one from a capture with --pcap; see cmesh trace --help"),
                    To = parsed.GetValue(to) ?? throw new UsageException("say where the packet goes with --to; see cmesh trace --help"),
                    Protocol = parsed.GetValue(protocol),
                    Flags = parsed.GetValue(flags),
                    HopLimit = parsed.GetValue(ttl),
                    Length = parsed.GetValue(length),
                    DontFragment = parsed.GetValue(df),
                    In = parsed.GetValue(port),
                };
            List<ControlClient> clients = [];
            try
            {
                clients.Add(await FirstAsync(parsed, choice, packet, cancellation));
                var route = new TraceRoute(async node =>
                {
                    ControlClient? client = await TryConnectAsync(SocketOf(node, choice, parsed.GetValue(at) ?? []), cancellation);
                    clients.AddRange(client is null ? [] : [client]);
                    return client;
                });
                TraceReport report = await route.FollowAsync(clients[0], packet, !parsed.GetValue(here), cancellation);
                foreach (string line in parsed.GetValue(output) == "json" ? [OutputJson.Document(report)] : TraceText.Of(report, parsed.GetValue(hex)))
                {
                    screen.Output.WriteLine(line);
                }
            }
            finally
            {
                foreach (ControlClient client in clients)
                {
                    await client.DisposeAsync();
                }
            }
        });
        return command;
    }

    /// <summary>The chosen node; where none is chosen, or only a cluster, the one that has the pod. Two that have it are not guessed between.</summary>
    private static async Task<ControlClient> FirstAsync(ParseResult parsed, NodeChoice choice, TracePacket packet, CancellationToken cancellation)
    {
        string pod = packet.From?.Split(':')[0] ?? packet.In ?? "";
        IReadOnlyList<string> sockets = choice.Candidates(parsed);
        if (sockets.Count < 2 || !pod.Contains('/', StringComparison.Ordinal))
        {
            return await choice.ConnectAsync(parsed, cancellation);
        }

        List<string> having = [];
        foreach (string socket in sockets)
        {
            await using ControlClient? client = await TryConnectAsync(socket, cancellation);
            if (client is not null && await HasPodAsync(client, pod, cancellation))
            {
                having.Add(socket);
            }
        }

        return having.Count switch
        {
            1 => await ControlClient.ConnectAsync(having[0], TimeSpan.FromSeconds(10), cancellation),
            0 => throw new ControlException(ErrorCode.NotFound, $"from: no node has a pod '{pod}'; cmesh --node NAME endpoint list shows a node's pods"),
            _ => throw new UsageException(
                $"from: several nodes have a pod '{pod}' ({string.Join(", ", having.Select(ControlPaths.NodeOf))}); choose one with --node or --context"),
        };
    }

    private static async Task<bool> HasPodAsync(ControlClient client, string pod, CancellationToken cancellation)
    {
        await foreach (EndpointRow row in client.ListAsync(ControlKinds.Endpoint, cancellation))
        {
            if (row.Name == pod)
            {
                return true;
            }
        }

        return false;
    }

    private static async Task<ControlClient?> TryConnectAsync(string socket, CancellationToken cancellation)
    {
        try
        {
            return await ControlClient.ConnectAsync(socket, TimeSpan.FromSeconds(10), cancellation);
        }
        catch (ControlConnectionException)
        {
            return null;
        }
    }

    private static string SocketOf(string node, NodeChoice choice, string[] given)
    {
        foreach (string text in given)
        {
            int split = text.IndexOf('=', StringComparison.Ordinal);
            if (split <= 0 || !text[..split].Contains('/', StringComparison.Ordinal))
            {
                throw new UsageException($"--at: '{text}' says no node and path; write east/east-worker=/path/control.sock");
            }

            if (text[..split] == node)
            {
                return text[(split + 1)..];
            }
        }

        return choice.SocketOf(node.Replace('/', '-'));
    }

    /// <summary>A packet of a file. Libpcap is loaded here and nowhere else.</summary>
    private static TracePacket Captured(string file, int number, string? port, string? end)
    {
        if (end is not null)
        {
            throw new UsageException("a packet from a capture has its own ends; leave --from and --to out");
        }

        try
        {
            IReadOnlyList<ReplayFrame> frames = CaptureInput.Merge([new CaptureInput(port ?? "", file)]);
            return number >= 1 && number <= frames.Count
                ? new TracePacket { Frame = Convert.ToHexStringLower(frames[number - 1].Bytes.Span), In = port, Readdress = true }
                : throw new UsageException($"--packet: {file} has {frames.Count} packets, and {number} is none of them");
        }
        catch (ReplayException fault)
        {
            throw new ControlException(ErrorCode.InvalidConfiguration, fault.Message);
        }
    }
}
