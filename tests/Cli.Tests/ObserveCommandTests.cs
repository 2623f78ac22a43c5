using ClusterMesh.Datapath.Cli.Commands;
using ClusterMesh.Datapath.Cli.Observing;
using ClusterMesh.Datapath.Cli.Text;
using ClusterMesh.Datapath.Observe.Hubble.Observers;
using ClusterMesh.Datapath.Observe.Hubble.Relays;
using ClusterMesh.Datapath.Pipeline;
using ClusterMesh.Datapath.Pipeline.Events;
using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.Cli.Tests;

/// <summary>What cmesh observe, monitor, hubble, top and metrics make of what they are told, on the command line and by others.</summary>
public sealed class ObserveCommandTests
{
    [Theory]
    [InlineData("observe --verdict LOST", "--verdict: there is no 'LOST'; there are FORWARDED, DROPPED, AUDIT, ERROR, REDIRECTED, TRACED, TRANSLATED")]
    [InlineData("observe --drop-reason-desc nothing", "--drop-reason-desc: there is no 'nothing'; docs/drop-reasons.md has them")]
    [InlineData("observe --type trace:nowhere", "--type: there is no 'nowhere' of trace; there are to-endpoint, to-proxy, to-host, to-stack, to-overlay, from-endpoint, from-proxy, from-host, from-stack, from-overlay, from-network, to-network, from-crypto, to-crypto")]
    [InlineData("observe --identity nobody", "--identity: 'nobody' is neither a number nor a reserved name like host, world or remote-node")]
    [InlineData("observe --tcp-flags SYN,NO", "--tcp-flags: there is no 'NO'; there are SYN, ACK, FIN, RST, PSH, URG, ECE, CWR")]
    [InlineData("observe --pod a --to-pod b", "--pod means either end: it cannot stand with --from-pod or --to-pod")]
    [InlineData("observe --first 3 --follow", "--first excludes --follow: what comes next is never among the first")]
    [InlineData("observe --since yesterday-ish", "--since: 'yesterday-ish' is no time; give a duration like 5m, or a time like 2026-11-23T05:02:07Z")]
    [InlineData("observe --server nowhere", "--server: 'nowhere' is no address; give unix:///path, host:port or tls://host:port")]
    [InlineData("metrics -p (", "--match-pattern: '(' is no regular expression")]
    [InlineData("top --interval 0", "--interval: 0 is not within 0.1 and 3600")]
    public async Task A_mistake_is_one_sentence(string line, string sentence)
    {
        await using FakeForwarder fake = new FakeForwarder().With("west", "west-worker");
        (int code, string output, string error) = await fake.RunAsync(line.Split(' '));
        Assert.Equal((2, ""), (code, output));
        Assert.StartsWith($"Error: {sentence}", error, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("hubble status", "hubble.sock: there is no such socket; start the node's agent (cmesh-agent), or give --server ADDRESS")]
    [InlineData("metrics", "api.sock: there is no such socket; start the node's agent (cmesh-agent)")]
    [InlineData("monitor", "events.sock: no forwarder gives flow events there")]
    public async Task Who_is_not_there_is_one_sentence(string line, string sentence)
    {
        await using FakeForwarder fake = new FakeForwarder().With("west", "west-worker");
        (int code, _, string error) = await fake.RunAsync(line.Split(' '));
        Assert.Equal(1, code);
        Assert.Contains(sentence, error);
        Assert.StartsWith("Error: ", error, StringComparison.Ordinal);
        Assert.Equal(1, error.Count(c => c == '\n'));
    }

    [Theory]
    [InlineData("now", "2026-11-23T12:00:00Z")]
    [InlineData("90s", "2026-11-23T11:58:30Z")]
    [InlineData("1h30m", "2026-11-23T10:30:00Z")]
    [InlineData("1.5h", "2026-11-23T10:30:00Z")]
    [InlineData("250ms", "2026-11-23T11:59:59.75Z")]
    [InlineData("2d", "2026-11-21T12:00:00Z")]
    [InlineData("2026-11-23T05:02:07Z", "2026-11-23T05:02:07Z")]
    [InlineData("2026-11-23T05:02:07+01:00", "2026-11-23T04:02:07Z")]
    [InlineData("2026-11-23", "2026-11-23T00:00:00Z")]
    public void A_moment_is_written_in_several_ways(string text, string moment) =>
        Assert.Equal(DateTimeOffset.Parse(moment, System.Globalization.CultureInfo.InvariantCulture), TimeOption.Parse("--since", text, new DateTimeOffset(2026, 11, 23, 12, 0, 0, TimeSpan.Zero)).ToDateTimeOffset());

    [Fact]
    public void Monitor_has_a_line_for_each_kind_of_record()
    {
        FlowRecord syn = new()
        {
            Time = 1_000_000_000_000_000_000,
            Worker = 1,
            Source = IpAddress.Parse("10.0.1.105"),
            Destination = IpAddress.Parse("10.1.1.2"),
            SourcePort = 60758,
            DestinationPort = 80,
            Protocol = IpProtocol.Tcp,
            TcpFlags = TcpFlags.Syn,
            SourceIdentity = 68211,
            DestinationIdentity = 133002,
            SourceMac = new(0x0200_0000_0001),
            DestinationMac = new(0x0200_0000_0002),
            PacketLength = 60,
            PacketCount = 1,
            Interface = 3,
            Kind = FlowEventKind.Trace,
            Verdict = FlowVerdict.Forwarded,
            ObservationPoint = ObservationPoint.ToNetwork,
            TraceReason = FlowTraceReason.New,
        };
        Assert.Equal("-> network identity 68211->133002 state new port lxc3: 10.0.1.105:60758 -> 10.1.1.2:80 tcp SYN", Line(syn));
        Assert.Equal("-> network identity 68211->133002 state new port lxc3: 10.0.1.105:60758 -> 10.1.1.2:80 tcp SYN (source becomes 172.18.0.5)", Line(syn with { TranslatedSource = IpAddress.Parse("172.18.0.5") }));
        Assert.Equal(
            "2001-09-09T01:46:40.000000Z worker-1 -> network identity 68211->133002 state new port lxc3: 10.0.1.105:60758 -> 10.1.1.2:80 tcp SYN [02:00:00:00:00:01 -> 02:00:00:00:00:02, 60 bytes, 1 packet(s)]",
            MonitorText.Line(syn, p => $"lxc{p}", verbose: true));
        FlowRecord drop = syn with { Kind = FlowEventKind.Drop, Verdict = FlowVerdict.Dropped, DropReason = DropReason.NoRoute, ReasonDetail = 7 };
        Assert.Equal($"xx drop ({DropReasons.TextOf(DropReason.NoRoute)}, 7) identity 68211->133002 port lxc3: 10.0.1.105:60758 -> 10.1.1.2:80 tcp SYN", Line(drop));
        Assert.Equal(
            "Policy verdict log: deny, match L3L4, egress identity 68211->133002 port lxc3: 10.0.1.105:60758 -> 10.1.1.2:80 tcp SYN",
            Line(syn with { Kind = FlowEventKind.PolicyVerdict, Verdict = FlowVerdict.Dropped, PolicyMatch = PolicyMatch.L3L4, Direction = FlowDirection.Egress }));
        Assert.Equal("xx drop (VLAN traffic disallowed by VLAN filter) identity 0->0 port lxc1: 02:00:00:00:00:01 -> 02:00:00:00:00:02 ethertype 0x8100", Line(new()
        {
            Kind = FlowEventKind.Drop,
            DropReason = DropReason.Vlan,
            SourceMac = new(0x0200_0000_0001),
            DestinationMac = new(0x0200_0000_0002),
            EtherType = EtherType.Vlan,
            Interface = 1,
        }));
        Assert.Equal("xx drop (Worker is busy) identity 0->0 port lxc0: a frame that cannot be shown", Line(new() { Kind = FlowEventKind.Drop, DropReason = DropReason.WorkerBusy }));
        Assert.Equal(
            """{"time":1000000000000000000,"worker":1,"kind":"trace","verdict":"FORWARDED","observationPoint":"to-network","state":"new","port":"lxc3","protocol":"TCP","source":"10.0.1.105","sourcePort":60758,"destination":"10.1.1.2","destinationPort":80,"summary":"TCP Flags: SYN","sourceIdentity":68211,"destinationIdentity":133002,"length":60,"packets":1}""",
            MonitorText.Json(syn, p => $"lxc{p}"));
    }

    [Fact]
    public void Hubbles_answers_are_printed_as_hubble_does()
    {
        ServerStatusResponse status = new() { NumFlows = 1234, MaxFlows = 65536, FlowsRate = 12.345, NumConnectedNodes = 3, NumUnavailableNodes = 1, UnavailableNodes = { "east/n\e2" } };
        Assert.Equal(
            ["Healthcheck: Ok", "Current/Max Flows: 1,234/65,536 (1.88%)", "Flows/s: 12.35", "Connected Nodes: 3/4", "Unavailable Nodes: 1", "  - east/n?2"],
            HubbleCommands.Status(status));
        Assert.Equal(
            ["west/w", "Connected", "2m", "0.50", "60/64 ( 93.75%)"],
            HubbleCommands.RowOf(new() { Name = "west/w", State = NodeState.NodeConnected, UptimeNs = 120_000_000_000, NumFlows = 60, MaxFlows = 64, SeenFlows = 60 }));
        Assert.Equal(["east/w", "Unavailable", "N/A", "N/A", "N/A"], HubbleCommands.RowOf(new() { Name = "east/w", State = NodeState.NodeUnavailable }));
    }

    [Fact]
    public void A_line_of_prometheus_becomes_a_row()
    {
        Assert.Equal(["cilium_drop_count_total", "reason=\"Invalid, packet\" direction=\"INGRESS\"", "3"], MetricsCommand.RowOf("cilium_drop_count_total{reason=\"Invalid, packet\",direction=\"INGRESS\"} 3"));
        Assert.Equal(["up", "", "1"], MetricsCommand.RowOf("up 1"));
    }

    [Theory]
    [InlineData(0, "0")]
    [InlineData(999.4, "999")]
    [InlineData(999.6, "1.0K")]
    [InlineData(13_400_000, "13.4M")]
    public void A_rate_is_short(double value, string text) => Assert.Equal(text, TopText.Number(value));

    private static string Line(FlowRecord record) => MonitorText.Line(record, p => $"lxc{p}", verbose: false);
}
