using ClusterMesh.Datapath.Pipeline.Events;
using ClusterMesh.Datapath.State.Desired;
using ClusterMesh.Datapath.Testing;
using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.Pipeline.Tests.Scenarios;

/// <summary>Policies and flows: what is new, what is under way, and what is an answer.</summary>
public sealed class PolicyTests
{
    private const uint Curl = 65_536 + 300;
    private const uint Web = 65_536 + 301;
    private const int Client = 40001;

    [Theory]
    [MemberData(nameof(Scenario.Families), MemberType = typeof(Scenario))]
    public void A_policy_bites_a_flow_that_is_under_way_and_lets_it_go_on_when_it_goes(Family family)
    {
        Scenario s = Known(family);
        TestPacket request = TestPacket.Tcp(s.Mesh.CurlPod, Client, s.Mesh.Webpod1, 80);
        TestPacket answer = TestPacket.Tcp(s.Mesh.Webpod1, 80, s.Mesh.CurlPod, Client);
        for (int i = 0; i < 3; i++)
        {
            s.Forwards(TestNode.Curl, request, TestNode.Web1, request.Hopped());
            s.Forwards(TestNode.Web1, answer, TestNode.Curl, answer.Hopped());
        }

        s.Node.Apply(new DesiredChange { Policies = [Closed("app=web")] });
        s.Drops(TestNode.Curl, request, DropReason.PolicyDenied);

        // What the server still says is an answer: nobody asks again.
        s.Forwards(TestNode.Web1, answer, TestNode.Curl, answer.Hopped());
        s.Drops(TestNode.Curl, request, DropReason.PolicyDenied);
        s.Node.State.Commit(s.Node.State.PlanDelete(ObjectKind.Policy, ["default/closed"]));
        s.Forwards(TestNode.Curl, request, TestNode.Web1, request.Hopped());
    }

    [Theory]
    [MemberData(nameof(Scenario.Families), MemberType = typeof(Scenario))]
    public void A_label_that_changes_bites_at_once(Family family)
    {
        Scenario s = Known(family);
        TestPacket request = TestPacket.Udp(s.Mesh.CurlPod, Client, s.Mesh.Webpod1, 53);
        s.Node.Apply(new DesiredChange { Policies = [Closed("app=web", new PolicyRuleSpec(true, false, [Labels("app=curl")], null, "test"))] });
        s.Forwards(TestNode.Curl, request, TestNode.Web1, request.Hopped());
        s.Node.Apply(new DesiredChange { Identities = [new IdentitySpec(Curl, ["k8s:app=other"], "test")] });
        s.Drops(TestNode.Curl, request, DropReason.PolicyDenied);
        s.Node.Apply(new DesiredChange { Ipcache = [Entry(s.Mesh.CurlPod, Web)] });
        s.Drops(TestNode.Curl, request, DropReason.PolicyDenied);
        s.Node.Apply(new DesiredChange { Identities = [new IdentitySpec(Curl, ["k8s:app=curl"], "test")], Ipcache = [Entry(s.Mesh.CurlPod, Curl)] });
        s.Forwards(TestNode.Curl, request, TestNode.Web1, request.Hopped());
    }

    /// <summary>The policy sees the backend: its identity and its port.</summary>
    [Theory]
    [MemberData(nameof(Scenario.Families), MemberType = typeof(Scenario))]
    public void A_service_is_judged_by_its_backend(Family family)
    {
        Scenario s = Known(family);
        s.Node.Apply(new() { Services = [TestNode.Service("default/webpod", IpProtocol.Tcp, 80, 30080, 8080, x => x.Webpod1)] });
        TestPacket request = TestPacket.Tcp(s.Mesh.CurlPod, Client, s.Mesh.ClusterIp, 80);
        TestPacket behind = TestPacket.Tcp(s.Mesh.CurlPod, Client, s.Mesh.Webpod1, 8080);
        TestPacket answer = TestPacket.Tcp(s.Mesh.Webpod1, 8080, s.Mesh.CurlPod, Client);
        s.Node.Apply(new DesiredChange { Policies = [Closed("app=curl", isIngress: false, new PolicyRuleSpec(false, false, [Labels("app=web")], [new PolicyPortSpec(IpProtocol.Tcp, 80, 80)], "test"))] });
        s.Drops(TestNode.Curl, request, DropReason.PolicyDenied);
        s.Node.Apply(new DesiredChange { Policies = [Closed("app=curl", isIngress: false, new PolicyRuleSpec(false, false, [Labels("app=web")], [new PolicyPortSpec(IpProtocol.Tcp, 8080, 8080)], "test"))] });
        s.Forwards(TestNode.Curl, request, TestNode.Web1, behind.Hopped());
        s.Forwards(TestNode.Web1, answer, TestNode.Curl, answer.Hopped() with { Source = s.Mesh.ClusterIp, SourcePort = 80 });
    }

    [Theory]
    [MemberData(nameof(Scenario.Families), MemberType = typeof(Scenario))]
    public void Deny_wins_and_is_told_by_its_own_reason(Family family)
    {
        Scenario s = Known(family);
        PolicyRuleSpec all = new(true, false, null, null, "test");
        s.Node.Apply(new DesiredChange { Policies = [Closed("app=web", all, all with { IsDeny = true, Peers = [Labels("app=curl")], Ports = [new PolicyPortSpec(IpProtocol.Tcp, 80, 90)] })] });
        s.Drops(TestNode.Curl, TestPacket.Tcp(s.Mesh.CurlPod, Client, s.Mesh.Webpod1, 80), DropReason.PolicyDeny);
        s.Drops(TestNode.Curl, TestPacket.Tcp(s.Mesh.CurlPod, Client, s.Mesh.Webpod1, 90), DropReason.PolicyDeny);
        s.Sends(TestNode.Curl, TestPacket.Tcp(s.Mesh.CurlPod, Client, s.Mesh.Webpod1, 91));
        s.Sends(TestNode.Uplink, TestPacket.Tcp(s.Mesh.EastPod, Client, s.Mesh.Webpod1, 80));
    }

    [Theory]
    [MemberData(nameof(Scenario.Families), MemberType = typeof(Scenario))]
    public void A_pod_that_reaches_itself_by_its_service_is_not_asked(Family family)
    {
        Scenario s = Known(family);
        s.Node.Apply(new DesiredChange { Policies = [Closed("app=web"), Closed("app=web", isIngress: false) with { Name = "default/silent" }] });
        s.Sends(TestNode.Web1, TestPacket.Tcp(s.Mesh.Webpod1, Client, s.Mesh.ClusterIp, 80));
        s.Drops(TestNode.Web1, TestPacket.Tcp(s.Mesh.Webpod1, Client, s.Mesh.CurlPod, 80), DropReason.PolicyDenied);
    }

    [Theory]
    [MemberData(nameof(Scenario.Families), MemberType = typeof(Scenario))]
    public void Errors_of_a_flow_that_was_let_through_pass(Family family)
    {
        Scenario s = Known(family);
        TestPacket request = TestPacket.Udp(s.Mesh.CurlPod, Client, s.Mesh.Webpod1, 53);
        s.Sends(TestNode.Curl, request);
        s.Node.Apply(new DesiredChange { Policies = [Closed("app=curl")] });
        s.Sends(TestNode.Web1, TestPacket.Error(s.Mesh.Webpod1, IcmpTrouble.PortUnreachable, request.Hopped()));
    }

    [Theory]
    [MemberData(nameof(Scenario.Families), MemberType = typeof(Scenario))]
    public void In_audit_mode_everything_passes(Family family)
    {
        Scenario s = Known(family, local => local with { Policy = new PolicyOptions { IsAudit = true } });
        s.Node.Apply(new DesiredChange { Policies = [Closed("app=web")] });
        s.Sends(TestNode.Curl, TestPacket.Tcp(s.Mesh.CurlPod, Client, s.Mesh.Webpod1, 80));
    }

    [Theory]
    [MemberData(nameof(Scenario.Families), MemberType = typeof(Scenario))]
    public void Enforcement_is_always_or_never_by_option(Family family)
    {
        TestPacket Request(Scenario s) => TestPacket.Tcp(s.Mesh.CurlPod, Client, s.Mesh.Webpod1, 80);
        Scenario always = Known(family, local => local with { Policy = new PolicyOptions { Enforcement = PolicyEnforcement.Always } });
        always.Drops(TestNode.Curl, Request(always), DropReason.PolicyDenied);
        Scenario never = Known(family, local => local with { Policy = new PolicyOptions { Enforcement = PolicyEnforcement.Never } });
        never.Node.Apply(new DesiredChange { Policies = [Closed("app=web")] });
        never.Sends(TestNode.Curl, Request(never));
    }

    /// <summary>Whom its own policy stops hears of it; whom the receiver's stops does not, who might be anybody.</summary>
    [Theory]
    [MemberData(nameof(Scenario.Families), MemberType = typeof(Scenario))]
    public void A_pod_hears_by_option_what_its_own_policy_forbids(Family family)
    {
        Scenario s = Known(family, local => local with { Policy = new PolicyOptions { RefusesDenied = true } });
        var all = new PolicyRuleSpec(false, false, [Labels("app=web")], null, "test");
        TestPacket request = TestPacket.Tcp(s.Mesh.CurlPod, Client, s.Mesh.Webpod1, 80, TcpFlags.Syn) with { Payload = new byte[1300] };
        TestPacket prohibited = TestPacket.Error(s.Mesh.Router, IcmpTrouble.Prohibited, request, request.IsIpv4 ? 548 : 1232) with { TrafficClass = 0xC0, Id = 0 };
        s.Node.Apply(new DesiredChange { Policies = [Closed("app=curl", isIngress: false)] });
        s.Refuses(TestNode.Curl, request, DropReason.PolicyDenied, prohibited);
        s.Node.Apply(new DesiredChange { Policies = [Closed("app=curl", isIngress: false, all, all with { IsDeny = true })] });
        s.Refuses(TestNode.Curl, request, DropReason.PolicyDeny, prohibited);
        Assert.Equal(2ul, s.Node.IcmpSentCount(IcmpAnswerKind.Prohibited));
        s.Node.State.Commit(s.Node.State.PlanDelete(ObjectKind.Policy, ["default/closed"]));
        s.Node.Apply(new DesiredChange { Policies = [Closed("app=web")] });
        s.DropsSilently(TestNode.Curl, request, DropReason.PolicyDenied);

        Scenario silent = Known(family);
        silent.Node.Apply(new DesiredChange { Policies = [Closed("app=curl", isIngress: false)] });
        silent.DropsSilently(TestNode.Curl, request, DropReason.PolicyDenied);
    }

    [Theory]
    [MemberData(nameof(Scenario.Families), MemberType = typeof(Scenario))]
    public void The_node_reaches_its_pods_unless_that_is_turned_off(Family family)
    {
        Scenario s = Known(family);
        s.Node.Apply(new DesiredChange { Policies = [Closed("app=web")] });
        s.Sends(TestNode.Host, TestPacket.Tcp(s.Mesh.Node, Client, s.Mesh.Webpod1, 80));
        s.Drops(TestNode.Uplink, TestPacket.Tcp(s.Mesh.EastWorker, Client, s.Mesh.Webpod1, 80), DropReason.PolicyDenied);
        s = Known(family, local => local with { Policy = new PolicyOptions { AllowsLocalhost = false } });
        s.Node.Apply(new DesiredChange { Policies = [Closed("app=web")] });
        s.Drops(TestNode.Host, TestPacket.Tcp(s.Mesh.Node, Client, s.Mesh.Webpod1, 80), DropReason.PolicyDenied);
    }

    [Theory]
    [MemberData(nameof(Scenario.Families), MemberType = typeof(Scenario))]
    public void The_nodes_own_stack_has_policies_where_the_host_firewall_is_on(Family family)
    {
        PolicySpec ssh = Closed("role=worker", new PolicyRuleSpec(true, false, null, [new PolicyPortSpec(IpProtocol.Tcp, 22, 22)], "test")) with { IsForNode = true };
        LocalNodeSpec On(LocalNodeSpec local) => local with { Labels = new Dictionary<string, string> { ["role"] = "worker" }, Policy = new PolicyOptions { HasHostFirewall = true } };
        Scenario s = Known(family, On);
        s.Node.Apply(new DesiredChange { Policies = [ssh] });
        s.Sends(TestNode.Uplink, TestPacket.Tcp(s.Mesh.Neighbor, Client, s.Mesh.Node, 22));
        s.Drops(TestNode.Uplink, TestPacket.Tcp(s.Mesh.Neighbor, Client, s.Mesh.Node, 23), DropReason.PolicyDenied);
        s.Drops(TestNode.Curl, TestPacket.Tcp(s.Mesh.CurlPod, Client, s.Mesh.Node, 23), DropReason.PolicyDenied);

        // What the node itself began is answered.
        s.Sends(TestNode.Host, TestPacket.Tcp(s.Mesh.Node, Client, s.Mesh.Neighbor, 443));
        s.Sends(TestNode.Uplink, TestPacket.Tcp(s.Mesh.Neighbor, 443, s.Mesh.Node, Client));
        s.Node.Apply(new DesiredChange { Policies = [Closed("role=worker", isIngress: false) with { IsForNode = true }] });
        s.Drops(TestNode.Host, TestPacket.Tcp(s.Mesh.Node, Client + 1, s.Mesh.Neighbor, 443), DropReason.PolicyDenied);

        // A node of another role, and one without the option, stay open.
        Scenario off = Known(family, local => On(local) with { Policy = new PolicyOptions() });
        off.Node.Apply(new DesiredChange { Policies = [ssh] });
        off.Sends(TestNode.Uplink, TestPacket.Tcp(s.Mesh.Neighbor, Client, s.Mesh.Node, 23));
    }

    [Theory]
    [MemberData(nameof(Scenario.Families), MemberType = typeof(Scenario))]
    public void Each_verdict_is_told_with_identities_and_match(Family family)
    {
        Scenario s = Known(family);
        var events = new FlowEvents(0);
        foreach (LiveTables live in s.Node.AllLive)
        {
            live.Counters.Events = events;
        }

        s.Node.Apply(new DesiredChange { Policies = [Closed("app=web", new PolicyRuleSpec(true, false, [Labels("app=curl")], [new PolicyPortSpec(IpProtocol.Tcp, 80, 80)], "test"))] });
        s.Sends(TestNode.Curl, TestPacket.Tcp(s.Mesh.CurlPod, Client, s.Mesh.Webpod1, 80));
        FlowRecord allowed = Assert.Single(events.Records.ToArray(), r => r.Kind == FlowEventKind.PolicyVerdict);
        Assert.Equal((FlowVerdict.Forwarded, PolicyMatch.L3L4, FlowDirection.Ingress, Curl, Web), (allowed.Verdict, allowed.PolicyMatch, allowed.Direction, allowed.SourceIdentity, allowed.DestinationIdentity));
        events.Clear();
        s.Drops(TestNode.Curl, TestPacket.Tcp(s.Mesh.CurlPod, Client, s.Mesh.Webpod1, 81), DropReason.PolicyDenied);
        FlowRecord denied = Assert.Single(events.Records.ToArray(), r => r.Kind == FlowEventKind.PolicyVerdict);
        Assert.Equal((FlowVerdict.Dropped, PolicyMatch.None, DropReason.PolicyDenied), (denied.Verdict, denied.PolicyMatch, denied.DropReason));
        Assert.Equal((Curl, Web), Assert.Single(events.Records.ToArray(), r => r.Kind == FlowEventKind.Drop) is var drop ? (drop.SourceIdentity, drop.DestinationIdentity) : default);
    }

    private static Scenario Known(Family family, Func<LocalNodeSpec, LocalNodeSpec>? local = null)
    {
        var s = new Scenario(family, new TestNode(local: local));
        s.Node.Apply(new DesiredChange
        {
            Ipcache = [Entry(s.Mesh.CurlPod, Curl), Entry(s.Mesh.Webpod1, Web)],
            Identities = [new IdentitySpec(Curl, ["k8s:app=curl"], "test"), new IdentitySpec(Web, ["k8s:app=web"], "test")],
        });
        return s;
    }

    private static PolicySpec Closed(string labels, params PolicyRuleSpec[] rules) => Closed(labels, true, rules);

    private static PolicySpec Closed(string labels, bool isIngress, params PolicyRuleSpec[] rules) =>
        new("default/closed", "", Selector(labels), false, isIngress, !isIngress, rules, "test");

    private static PolicyPeerSpec Labels(string labels) => new(Selector(labels), null, null, []);

    private static LabelSelector Selector(string labels) => LabelSelector.TryParse($"k8s:{labels}", out LabelSelector? selector) ? selector! : throw new ArgumentException(labels);

    private static IpcacheSpec Entry(IpAddress address, uint identity) => new(IpPrefix.Host(address), identity, default, 0, IpcacheFlags.None, "", "", "test");
}
