using ClusterMesh.Datapath.Observe.Filters;
using ClusterMesh.Datapath.Observe.Hubble.Flows;
using ClusterMesh.Datapath.Observe.Store;
using ClusterMesh.Datapath.Pipeline.Events;
using ClusterMesh.Datapath.Wire;
using Google.Protobuf;

namespace ClusterMesh.Datapath.Observe.Tests.Filters;

/// <summary>For each field: a filter, which of the sample's events it takes, in the filter's own JSON.</summary>
public sealed class FlowFilterTests
{
    private static readonly (string Name, FlowRecord Record)[] s_events =
    [
        ("syn", Sample.Syn() with { TranslatedSource = IpAddress.Parse("172.18.0.3"), TraceId = 42 }),
        ("synack", Sample.SynAck()),
        ("denied", Sample.Denied()),
        ("ping", Sample.Ping()),
        ("service", Sample.ToService()),
        ("six", Sample.Ipv6()),
        ("vlan", Sample.Vlan()),
        ("unknown", Sample.Syn() with { Reply = FlowReply.Unknown, Direction = FlowDirection.Unknown, Interface = 4 }),
    ];

    public static TheoryData<string, string> Cases { get; } = new()
    {
        { "{}", "syn synack denied ping service six vlan unknown" },
        { """{"sourceIp":["10.0.1.105"]}""", "syn denied ping service unknown" },
        { """{"sourceIp":["10.0.0.0/15"]}""", "syn synack denied ping service unknown" },
        { """{"sourceIp":["fd00:1::/32","10.1.1.2"]}""", "synack six" },
        { """{"destinationIp":["10.1.0.0/16"]}""", "syn denied ping unknown" },
        { """{"sourceIp":["::/0"]}""", "six" },
        { """{"sourceIpXlated":["172.18.0.0/24"]}""", "syn" },
        { """{"sourcePod":["curl"]}""", "syn denied ping service unknown" },
        { """{"sourcePod":["default/"]}""", "syn denied ping service unknown" },
        { """{"sourcePod":["default/web"]}""", "" },
        { """{"sourcePod":["shop/webpod-x","six/"]}""", "synack six" },
        { """{"sourcePod":["/webpod"]}""", "synack" },
        { """{"destinationPod":["shop/webpod"]}""", "syn denied ping unknown" },
        { """{"sourceFqdn":["*.shop.example.org"]}""", "synack" },
        { """{"destinationFqdn":["WEBPOD-X.shop.example.org."]}""", "syn denied ping unknown" },
        { """{"destinationFqdn":["*.example.net"]}""", "" },
        { """{"sourceLabel":["app=curl"]}""", "syn denied ping service unknown" },
        { """{"sourceLabel":["k8s:app in (webpod, other), tier"]}""", "synack" },
        { """{"destinationLabel":["reserved:world"]}""", "service six" },
        { """{"sourceService":["webpod"]}""", "" },
        { """{"destinationService":["default/web"]}""", "service" },
        { """{"destinationWorkload":[{"name":"webpod"}]}""", "syn denied ping unknown" },
        { """{"sourceWorkload":[{"kind":"Deployment"}]}""", "synack" },
        { """{"sourceWorkload":[{"name":"webpod","kind":"DaemonSet"}]}""", "" },
        { """{"sourceClusterName":["east"]}""", "synack six" },
        { """{"destinationClusterName":["west"]}""", "synack" },
        { """{"trafficDirection":["INGRESS"]}""", "denied" },
        { """{"verdict":["DROPPED","ERROR"]}""", "denied vlan" },
        { """{"dropReasonDesc":["POLICY_DENIED"]}""", "denied" },
        { """{"dropReasonDesc":["VLAN_FILTERED"]}""", "vlan" },
        { """{"interface":[{"name":"lxc-curl"}]}""", "syn synack denied ping service six" },
        { """{"interface":[{"index":4}]}""", "unknown" },
        { """{"eventType":[{"type":1}]}""", "denied vlan" },
        { """{"eventType":[{"type":4,"matchSubType":true,"subType":0}]}""", "synack" },
        { """{"eventType":[{"type":1,"matchSubType":true,"subType":182},{"type":4,"matchSubType":true,"subType":5}]}""", "service vlan" },
        { """{"protocol":["TCP"]}""", "syn synack denied service unknown" },
        { """{"protocol":["icmp","udp"]}""", "ping six" },
        { """{"protocol":["icmpv6","sctp","http"]}""", "" },
        { """{"sourcePort":["80"]}""", "synack" },
        { """{"destinationPort":["50-80"]}""", "syn denied service six unknown" },
        { """{"sourcePort":["0"]}""", "" },
        { """{"reply":[true]}""", "synack" },
        { """{"reply":[false]}""", "syn denied ping service six" },
        { """{"sourceIdentity":[133002]}""", "synack" },
        { """{"sourceIdentity":[133003,0]}""", "six vlan" },
        { """{"destinationIdentity":[2]}""", "service six" },
        { """{"tcpFlags":[{"SYN":true}]}""", "syn synack denied service unknown" },
        { """{"tcpFlags":[{"SYN":true,"ACK":true},{"RST":true}]}""", "synack" },
        { """{"nodeName":["west/*"]}""", "syn synack denied ping service six vlan unknown" },
        { """{"nodeName":["*-worker"]}""", "syn synack denied ping service six vlan unknown" },
        { """{"nodeName":["east/","control"]}""", "" },
        { """{"nodeLabels":["zone=a"]}""", "syn synack denied ping service six vlan unknown" },
        { """{"nodeLabels":["zone=b"]}""", "" },
        { """{"ipVersion":["IPv6"]}""", "six" },
        { """{"ipVersion":["IP_NOT_USED"]}""", "vlan" },
        { """{"ipTraceId":["42"]}""", "syn" },
        { """{"traceId":["4bf92f3577b34da6a3ce929d0e0e4736"]}""", "" },
        { """{"encrypted":[true]}""", "" },
        { """{"encrypted":[false],"protocol":["udp"]}""", "six" },
        { """{"uuid":["01020304-0506-0708-0000-000000000009"]}""", "syn synack denied ping service six vlan unknown" },
        { """{"uuid":["01020304-0506-0708-0000-00000000000a"]}""", "" },
        { """{"httpMethod":["GET"]}""", "" },
        { """{"dnsQuery":["web.*"]}""", "" },
        { """{"sourcePod":["curl"],"verdict":["DROPPED"]}""", "denied" },
    };

    public static TheoryData<string, string> Mistakes { get; } = new()
    {
        { """{"sourceIp":["10.0.0"]}""", "source_ip '10.0.0' is neither an IP address nor a CIDR" },
        { """{"destinationIp":["10.0.0.0/33"]}""", "destination_ip '10.0.0.0/33' is neither" },
        { """{"sourcePod":[""]}""", "source_pod '' must be [namespace/][name]" },
        { """{"sourcePod":["/"]}""", "source_pod '/' must be" },
        { """{"destinationService":["a/b/c"]}""", "destination_service 'a/b/c' must be" },
        { """{"sourceLabel":["app=(x"]}""", "label selector 'app=(x'" },
        { """{"sourceLabel":["weight>heavy"]}""", "'heavy' is no number" },
        { """{"protocol":["quic"]}""", "protocol 'quic' is none of tcp," },
        { """{"sourcePort":["99999"]}""", "source_port '99999' is neither" },
        { """{"destinationPort":["90-80"]}""", "destination_port '90-80' is neither" },
        { """{"nodeName":["a/b/c"]}""", "node_name 'a/b/c'" },
        { """{"nodeName":["w?st"]}""", "'?' is neither letter" },
        { """{"sourceFqdn":["."]}""", "source_fqdn has an empty pattern" },
        { """{"dnsQuery":["("]}""", "dns_query '(' is no regular expression" },
        { """{"sourceClusterName":[""]}""", "source_cluster_name has an empty name" },
        { """{"experimental":{"celExpression":["true"]}}""", "cel_expression is not supported" },
    };

    [Theory]
    [MemberData(nameof(Cases))]
    public void A_field_takes_what_it_says(string filter, string expected)
    {
        Func<ObservedFlow, bool> matches = FlowFilters.Compile(JsonParser.Default.Parse<FlowFilter>(filter));
        Assert.Equal(expected, string.Join(' ', s_events.Where(e => matches(Sample.Observed(e.Record))).Select(e => e.Name)));
    }

    [Theory]
    [MemberData(nameof(Mistakes))]
    public void A_mistake_is_told_in_one_sentence(string filter, string expected)
    {
        FilterException e = Assert.Throws<FilterException>(() => FlowFilters.Compile(JsonParser.Default.Parse<FlowFilter>(filter)));
        Assert.Contains(expected, e.Message);
        Assert.DoesNotContain('\n', e.Message);
    }

    [Fact]
    public void Each_field_of_the_message_has_a_case()
    {
        string[] unused = [.. FlowFilter.Descriptor.Fields.InFieldNumberOrder()
            .Where(f => !Cases.Concat(Mistakes).Any(c => c.Data.Item1.Contains($"\"{f.JsonName}\"", StringComparison.Ordinal)))
            .Select(f => f.Name)];
        Assert.Equal(["http_status_code", "http_path", "http_url", "http_header"], unused); // as http_method: no flow has layer 7
    }

    [Fact]
    public void White_list_and_black_list_are_a_difference()
    {
        Func<ObservedFlow, bool> matches = FlowFilters.Compile(
            [new() { SourcePod = { "curl" } }, new() { IpVersion = { IPVersion.Ipv6 } }],
            [new() { Verdict = { Verdict.Dropped } }, new() { Protocol = { "icmp" } }]);
        Assert.Equal("syn service six unknown", string.Join(' ', s_events.Where(e => matches(Sample.Observed(e.Record))).Select(e => e.Name)));
    }

    [Theory]
    [InlineData("app", true)]
    [InlineData("!app", false)]
    [InlineData("!canary", true)]
    [InlineData("app=webpod", true)]
    [InlineData("app==webpod", true)]
    [InlineData("app!=webpod", false)]
    [InlineData("canary!=yes", true)]
    [InlineData("any:app=webpod", true)]
    [InlineData("k8s:app=webpod", true)]
    [InlineData("container:app=webpod", false)]
    [InlineData("app notin (a, b)", true)]
    [InlineData("app in (a, b)", false)]
    [InlineData("canary notin (a)", true)]
    [InlineData("weight>6", true)]
    [InlineData("weight<7", false)]
    [InlineData("tier=front,app in (webpod,x),!canary", true)]
    [InlineData("tier=front,app=x", false)]
    public void Selectors_are_those_of_Kubernetes(string selector, bool expected) =>
        Assert.Equal(expected, LabelSelector.Parse(selector).Matches(["k8s:app=webpod", "k8s:tier=front", "k8s:weight=7"]));
}
