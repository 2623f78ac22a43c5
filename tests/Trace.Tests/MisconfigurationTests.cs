using ClusterMesh.Datapath.Control;
using ClusterMesh.Datapath.Control.Messages;
using ClusterMesh.Datapath.Testing;

namespace ClusterMesh.Datapath.Trace.Tests;

/// <summary>For each prepared misconfiguration a trace names the cause in one sentence and says what to do.</summary>
public sealed class MisconfigurationTests
{
    public static TheoryData<string> Names => [.. Misconfigurations.All.Select(m => m.Name)];

    [Theory]
    [MemberData(nameof(Names))]
    public void A_trace_names_the_cause_and_the_cure(string name)
    {
        Misconfiguration wrong = Misconfigurations.All.Single(m => m.Name == name);
        var node = new TestNode(conntrackCapacity: wrong.ConntrackCapacity, snatCapacity: wrong.SnatCapacity, nodePortLast: wrong.NodePortLast, local: wrong.Local, workerCount: 1);
        wrong.Prepare(node);
        string before = Traced.StateOf(node);
        PacketTrace trace = Traced.TracerOf(node).Trace(new TraceRequest([wrong.Packet])).Packets[0];
        Assert.Equal(before, Traced.StateOf(node));
        string told = string.Join('\n', [trace.Summary, trace.Advice ?? "", .. trace.Remarks, .. trace.Steps.Select(s => $"{s.Stage} {s.Lookup}: {s.Result}")]);
        Assert.True(wrong.Verdict == trace.Verdict, $"{name}: {trace.Verdict}\n{told}");
        if (trace.Verdict == "transmit")
        {
            Assert.True(trace.Remarks.Any(r => r.StartsWith(wrong.Cause, StringComparison.Ordinal) && r.Contains(wrong.Cure, StringComparison.Ordinal)), $"{name}\n{told}");
            return;
        }

        Assert.True((wrong.Cause, wrong.Cure) == (trace.Summary, trace.Advice), $"{name}\n{told}");
    }

    [Fact]
    public void Without_a_mistake_there_is_nothing_to_remark()
    {
        var node = new TestNode(workerCount: 1);
        node.Apply(new State.Desired.DesiredChange { Services = [TestNode.Webpod(m => m.Webpod1) with { IsGlobal = true, Backends = [.. TestNode.Webpod(m => m.Webpod1).Backends, new(new Mesh(Family.Ipv4).EastPod, 80, "east", "east-worker")] }] });
        foreach ((string from, string to) in ((string, string)[])[(TestNode.Curl, "default/webpod"), (TestNode.Curl, "10.1.1.2:80"), (TestNode.Curl, "203.0.113.9:80"), ("host", "10.1.1.2:80"), ("203.0.113.9", "172.18.0.5:30080")])
        {
            PacketTrace trace = node.Ask(from, to);
            Assert.True(trace.Verdict == "transmit" && trace.Remarks.Count == 0, $"{from} to {to}: {trace.Summary} {string.Join(' ', trace.Remarks)}");
        }
    }

    [Theory]
    [InlineData("default/curl-pod", "default/webpodd", "to: there is no service or pod 'default/webpodd' on west-worker, but default/webpod; cmesh service list shows its services: name and namespace must be the same in every cluster")]
    [InlineData("default/curl-pod", "production/webpod", "to: there is no service or pod 'production/webpod' on west-worker, but default/webpod, default/webpod-1, default/webpod-2; cmesh service list shows its services: name and namespace must be the same in every cluster")]
    [InlineData("default/nobody", "10.1.1.2:80", "from: there is no pod 'default/nobody' on west-worker; cmesh endpoint list shows its pods; a pod of another node is traced there (--node)")]
    [InlineData("default/curl-pod", "10.1.1.2", "to: '10.1.1.2' has no port; write one behind it, such as 10.1.1.2:80, or --protocol icmp")]
    [InlineData("10.0.1.105", "[fd00::1]:80", "from '10.0.1.105' and to '[fd00::1]:80' have no address family in common: 10.0.1.105 and fd00::1")]
    [InlineData("default/curl-pod", "default/webpod:81", "to: service default/webpod has no frontend with port 81 of the source's family on this node; cmesh service list shows those that are")]
    public void What_cannot_be_asked_is_refused_in_a_sentence(string from, string to, string sentence) =>
        Assert.Equal(sentence, Assert.Throws<ControlException>(() => new TestNode(workerCount: 1).Ask(from, to)).Message);
}
