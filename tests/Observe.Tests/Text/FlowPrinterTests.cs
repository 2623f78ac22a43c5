using ClusterMesh.Datapath.Observe.Hubble.Flows;
using ClusterMesh.Datapath.Observe.Hubble.Observers;
using ClusterMesh.Datapath.Observe.Hubble.Relays;
using ClusterMesh.Datapath.Observe.Text;
using ClusterMesh.Datapath.Pipeline.Events;
using ClusterMesh.Datapath.Wire;
using Google.Protobuf.WellKnownTypes;

namespace ClusterMesh.Datapath.Observe.Tests.Text;

/// <summary>Golden outputs of each form; the first flow is that of Hubble's own tests of its printer.</summary>
public sealed class FlowPrinterTests
{
    private static readonly Flow s_denied = new()
    {
        Time = new() { Seconds = 1234, Nanos = 567_800_000 },
        Type = FlowType.L3L4,
        NodeName = "west/k8s1",
        Verdict = Verdict.Dropped,
        IP = new() { Source = "1.1.1.1", Destination = "2.2.2.2" },
        Source = new() { Identity = 4 },
        Destination = new() { Identity = 12345 },
        L4 = new() { TCP = new() { SourcePort = 31793, DestinationPort = 8080 } },
        EventType = new() { Type = 1, SubType = 133 },
        Summary = "TCP Flags: SYN",
        IsReply = false,
    };

    [Fact]
    public void Compact()
    {
        Assert.Equal("Jan  1 00:20:34.567: 1.1.1.1:31793 (health) -> 2.2.2.2:8080 (ID:12345) Policy denied DROPPED (TCP Flags: SYN)\n", Print(new(), s_denied));
        Assert.Equal("Jan  1 00:20:34.567 [west/k8s1]: 1.1.1.1:31793 (health) -> 2.2.2.2:8080 (ID:12345) Policy denied DROPPED (TCP Flags: SYN)\n", Print(new() { ShowNode = true }, s_denied));
        Assert.Equal("Jan  1 00:20:34.567: 2.2.2.2:8080 (ID:12345) <- 1.1.1.1:31793 (health) Policy denied DROPPED (TCP Flags: SYN)\n", Print(new(), new Flow(s_denied) { IsReply = true }));
        Assert.Equal("Jan  1 00:20:34.567: 1.1.1.1:31793 (health) <> 2.2.2.2:8080 (ID:12345) Policy denied DROPPED (TCP Flags: SYN)\n", Print(new(), new Flow(s_denied) { IsReply = null }));
        Assert.Equal(
            "Jan  1 00:20:34.567: 1.1.1.1:31793 (health) -> 2.2.2.2:8080 (ID:12345) Policy denied DROPPED (IP Trace ID: 1234; TCP Flags: SYN)\n",
            Print(new(), new Flow(s_denied) { IpTraceId = new() { TraceId = 1234 } }));
    }

    // What the sample's events become from record to line.
    [Fact]
    public void Compact_with_names() => Assert.Equal(
        """
        Nov 23 05:02:07.000: default/curl-pod:60758 (ID:68211) -> shop/webpod-x:80 (ID:133002) to-network FORWARDED (TCP Flags: SYN)
        Nov 23 05:02:07.500: default/curl-pod:60758 (ID:68211) <- shop/webpod-x:80 (ID:133002) to-endpoint FORWARDED (TCP Flags: SYN, ACK)
        Nov 23 05:02:08.000: default/curl-pod:60758 (ID:68211) -> default/webpod:80 (world) from-endpoint FORWARDED (TCP Flags: SYN)
        Nov 23 05:02:09.000: default/curl-pod (ID:68211) -> shop/webpod-x (ID:133002) to-network FORWARDED (ICMPv4 EchoRequest)
        Nov 23 05:02:10.000: six/v6-pod:5353 (ID:133003) -> [2001:db8::1]:53 (world) to-network FORWARDED (UDP)
        Nov 23 05:02:11.000: 02:00:00:00:00:01 (unknown) <> 02:00:00:00:00:02 (unknown) VLAN traffic disallowed by VLAN filter DROPPED ()

        """,
        Print(new(), [.. new[] { Sample.Syn(), Sample.SynAck(0.5), Sample.ToService(1), Sample.Ping(2), Sample.Ipv6(3), Sample.Vlan(4) }.Select(ToFlow)]));

    [Fact]
    public void Addresses_instead_of_names() => Assert.Equal(
        "Nov 23 05:02:07.000: 10.0.1.105:60758 (ID:68211) -> 10.1.1.2:80 (ID:133002) to-network FORWARDED (TCP Flags: SYN)\n",
        Print(new() { Numeric = true }, ToFlow(Sample.Syn())));

    [Fact]
    public void Policy_verdicts()
    {
        FlowRecord record = Sample.Syn() with { Kind = FlowEventKind.PolicyVerdict, PolicyMatch = PolicyMatch.L3L4, Reply = FlowReply.Unknown };
        Flow denied = ToFlow(record with { Verdict = FlowVerdict.Dropped, PolicyMatch = PolicyMatch.None });
        denied.EgressDeniedBy.Add([new() { Name = "my-policy", Kind = "CiliumNetworkPolicy" }, new() { Name = "other" }]);
        Assert.Equal(
            """
            Nov 23 05:02:07.000: default/curl-pod:60758 (ID:68211) <> shop/webpod-x:80 (ID:133002) policy-verdict:L3-L4 EGRESS ALLOWED (TCP Flags: SYN)
            Nov 23 05:02:07.000: default/curl-pod:60758 (ID:68211) <> shop/webpod-x:80 (ID:133002) policy-verdict:L3-L4 EGRESS AUDITED (TCP Flags: SYN)
            Nov 23 05:02:07.000: default/curl-pod:60758 (ID:68211) <> shop/webpod-x:80 (ID:133002) policy-verdict:none EGRESS DENIED BY my-policy (CiliumNetworkPolicy), other (TCP Flags: SYN)

            """,
            Print(new() { ShowPolicies = true }, ToFlow(record), ToFlow(record with { Verdict = FlowVerdict.Audit }), denied));
    }

    [Fact]
    public void Table() => Assert.Equal(
        """
        TIMESTAMP             NODE               SOURCE                   DESTINATION        TYPE            VERDICT     SUMMARY
        Jan  1 00:20:34.567   west/k8s1          1.1.1.1:31793            2.2.2.2:8080       Policy denied   DROPPED     TCP Flags: SYN
        Nov 23 05:02:07.000   west/west-worker   default/curl-pod:60758   shop/webpod-x:80   to-network      FORWARDED   TCP Flags: SYN

        """,
        Print(new() { Format = FlowFormat.Table, ShowNode = true, Colours = true }, s_denied, ToFlow(Sample.Syn())));

    [Fact]
    public void A_table_without_flows_is_empty() => Assert.Equal("", Print(new() { Format = FlowFormat.Table }));

    [Fact]
    public void Dict() => Assert.Equal(
        """
          TIMESTAMP: Jan  1 00:20:34.567
             SOURCE: 1.1.1.1:31793
        DESTINATION: 2.2.2.2:8080
               TYPE: Policy denied
            VERDICT: DROPPED
            SUMMARY: TCP Flags: SYN
        ------------
          TIMESTAMP: Jan  1 00:20:34.567
             SOURCE: 1.1.1.1:31793
        DESTINATION: 2.2.2.2:8080
               TYPE: Policy denied
            VERDICT: DROPPED
            SUMMARY: TCP Flags: SYN

        """,
        Print(new() { Format = FlowFormat.Dict }, s_denied, s_denied));

    [Fact]
    public void Json()
    {
        const string Flow = """
            {"time":"1970-01-01T00:20:34.567800Z","verdict":"DROPPED","IP":{"source":"1.1.1.1","destination":"2.2.2.2"},
            "l4":{"TCP":{"source_port":31793,"destination_port":8080}},"source":{"identity":4},"destination":{"identity":12345},
            "Type":"L3_L4","node_name":"west/k8s1","event_type":{"type":1,"sub_type":133},"is_reply":false,"Summary":"TCP Flags: SYN"}
            """;
        Assert.Equal(Flow.ReplaceLineEndings("") + "\n", Print(new() { Format = FlowFormat.Json }, s_denied));
        Assert.Equal($"{{\"flow\":{Flow.ReplaceLineEndings("")},\"node_name\":\"west/k8s1\"}}\n", Print(new() { Format = FlowFormat.JsonPb }, s_denied));
    }

    [Fact]
    public void Colours_are_for_terminals()
    {
        const string Coloured = "Jan  1 00:20:34.567: \e[36m1.1.1.1\e[0m:\e[33m31793\e[0m \e[35m(health)\e[0m -> \e[36m2.2.2.2\e[0m:\e[33m8080\e[0m "
            + "\e[35m(ID:12345)\e[0m Policy denied \e[31mDROPPED\e[0m (TCP Flags: SYN)\n";
        Assert.Equal(Coloured, Print(new() { Colours = true }, s_denied));
        Assert.Contains("\e[32mFORWARDED\e[0m", Print(new() { Colours = true, Format = FlowFormat.Dict }, ToFlow(Sample.Syn())));
        Assert.DoesNotContain('\e', Print(new(), s_denied));
        Assert.DoesNotContain('\e', Print(new() { Colours = true, Format = FlowFormat.Json }, s_denied));
    }

    [Fact]
    public void A_name_cannot_command_the_terminal() => Assert.Equal(
        "Jan  1 00:20:34.567 [west/?[2J]: a/evil?[31m:31793 (health) -> 2.2.2.2:8080 (ID:12345) Policy denied DROPPED (TCP?Flags)\n",
        Print(new() { ShowNode = true }, new Flow(s_denied) { NodeName = "west/\e[2J", Source = new() { Identity = 4, Namespace = "a", PodName = "evil\e[31m" }, Summary = "TCP\rFlags" }));

    [Theory]
    [InlineData(FlowFormat.Compact, "EVENTS LOST: HUBBLE_RING_BUFFER CPU(0) 17\n")]
    [InlineData(FlowFormat.Table, "TIMESTAMP             SOURCE               DESTINATION   TYPE          VERDICT   SUMMARY\nJan  1 00:20:34.567   HUBBLE_RING_BUFFER                 EVENTS LOST             CPU(0) - 17\n")]
    [InlineData(FlowFormat.Dict, "  TIMESTAMP: Jan  1 00:20:34.567\n     SOURCE: HUBBLE_RING_BUFFER\n       TYPE: EVENTS LOST\n    VERDICT: \n    SUMMARY: CPU(0) - 17\n")]
    [InlineData(FlowFormat.JsonPb, "{\"lost_events\":{\"source\":\"HUBBLE_RING_BUFFER\",\"num_events_lost\":\"17\"},\"time\":\"1970-01-01T00:20:34.567800Z\"}\n")]
    public void Losses(FlowFormat format, string expected)
    {
        StringWriter output = new();
        FlowPrinter printer = new(output, TextWriter.Null, new() { Format = format });
        printer.Write(new() { Time = s_denied.Time, LostEvents = new() { NumEventsLost = 17, Source = LostEventSource.HubbleRingBuffer } });
        printer.Flush();
        Assert.Equal(expected, output.ToString());
    }

    [Theory]
    [InlineData(NodeState.NodeUnavailable, false, "Jan  1 00:20:34.567 [relay]: 3 nodes are unavailable: east/long-node-name-1, east/long-node-name-2 (and 1 more)\n")]
    [InlineData(NodeState.NodeError, false, "Jan  1 00:20:34.567 [relay]: Error \"gone\" on 3 nodes: east/long-node-name-1, east/long-node-name-2 (and 1 more)\n")]
    [InlineData(NodeState.NodeConnected, false, "")]
    [InlineData(NodeState.NodeConnected, true, "Jan  1 00:20:34.567 [relay]: Receiving flows from 3 nodes: east/long-node-name-1, east/long-node-name-2 (and 1 more)\n")]
    [InlineData(NodeState.NodeGone, true, "Jan  1 00:20:34.567 [relay]: 3 nodes removed from cluster: east/long-node-name-1, east/long-node-name-2 (and 1 more)\n")]
    public void States_of_nodes_go_to_the_errors(NodeState state, bool all, string expected)
    {
        StringWriter errors = new();
        FlowPrinter printer = new(TextWriter.Null, errors, new() { ShowAllNodeStates = all });
        NodeStatusEvent status = new() { StateChange = state, Message = "gone", NodeNames = { "east/long-node-name-1", "east/long-node-name-2", "east/c" } };
        printer.Write(new() { NodeName = "relay", Time = s_denied.Time, NodeStatus = status });
        Assert.Equal(expected, errors.ToString());
    }

    [Theory]
    [InlineData(133, "Policy denied")]
    [InlineData(158, "Service backend not found")]
    [InlineData(253, "Egress port does not take the frame")]
    [InlineData(205, "Punt to proxy")]
    [InlineData(249, "249, 0")]
    [InlineData(0, "0, 0")]
    public void Drop_reasons_have_their_words(int reason, string expected) => Assert.Equal(expected, DropReasonText.Of(reason));

    [Fact]
    public void A_drop_reason_has_its_words_in_one_place() => Assert.DoesNotContain(
        DropReasonText.OfOtherDatapaths, number => System.Enum.IsDefined((Pipeline.DropReason)number));

    [Fact]
    public void Every_named_drop_reason_has_words() => Assert.All(
        System.Enum.GetValues<DropReason>().Where(reason => (int)reason > 0), reason => Assert.DoesNotContain(", 0", DropReasonText.Of((int)reason)));

    [Theory]
    [InlineData(IpProtocol.Icmp, 8, 0, "ICMPv4 EchoRequest")]
    [InlineData(IpProtocol.Icmp, 3, 3, "ICMPv4 DestinationUnreachable(Port)")]
    [InlineData(IpProtocol.Icmp, 11, 0, "ICMPv4 TimeExceeded(TTLExceeded)")]
    [InlineData(IpProtocol.Icmpv6, 129, 0, "ICMPv6 EchoReply")]
    [InlineData(IpProtocol.Icmpv6, 1, 4, "ICMPv6 DestinationUnreachable(PortUnreachable)")]
    [InlineData(IpProtocol.Icmp, 42, 1, "ICMPv4 42(1)")]
    [InlineData(IpProtocol.Sctp, 0, 0, "SCTP")]
    [InlineData(IpProtocol.NoNext, 0, 0, "")]
    public void Summaries(IpProtocol protocol, byte type, byte code, string expected) =>
        Assert.Equal(expected, FlowSummary.Of(Sample.Ping() with { Protocol = protocol, IcmpType = type, IcmpCode = code }));

    [Fact]
    public void Flags_stand_in_Hubbles_order() => Assert.Equal(
        "TCP Flags: SYN, ACK, RST, FIN, PSH, URG, ECE, CWR", FlowSummary.Of(Sample.Syn() with { TcpFlags = (TcpFlags)0xFF }));

    private static Flow ToFlow(FlowRecord record) => FlowMessages.ToFlow(Sample.Observed(record));

    private static string Print(FlowTextSettings settings, params Flow[] flows)
    {
        StringWriter output = new();
        FlowPrinter printer = new(output, TextWriter.Null, settings);
        foreach (Flow flow in flows)
        {
            printer.Write(new() { Flow = flow, NodeName = flow.NodeName });
        }

        printer.Flush();
        return output.ToString();
    }
}
