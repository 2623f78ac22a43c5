using ClusterMesh.Datapath.Testing;
using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.Pipeline.Tests.Scenarios;

/// <summary>Fragments: the later ones follow the first through every translation, and nothing passes without it.</summary>
public sealed class FragmentTests
{
    private static readonly byte[] s_payload = [.. Enumerable.Range(0, 3000).Select(i => (byte)(i * 7))];

    public static TheoryData<Family, IpProtocol> Transports => new()
    {
        { Family.Ipv4, IpProtocol.Udp }, { Family.Ipv6, IpProtocol.Udp }, { Family.Ipv4, IpProtocol.Tcp }, { Family.Ipv6, IpProtocol.Tcp },
    };

    [Theory]
    [MemberData(nameof(Transports))]
    public void Fragments_follow_the_first(Family family, IpProtocol protocol)
    {
        var s = new Scenario(family);
        Mesh m = s.Mesh;
        s.Node.Apply(new() { Services = [TestNode.Service("default/webpod", protocol, 80, 30080, 8080, x => x.EastPod)] });
        TestPacket toService = TestPacket.Of(protocol, m.CurlPod, 1024, m.ClusterIp, 80) with { Payload = s_payload };
        TestPacket toBackend = toService with { Destination = m.EastPod, DestinationPort = 8080 };
        TestPacket toOutside = toService with { Destination = m.Outside, Id = 99 };
        for (int offset = 0; offset < 3000; offset += 1000)
        {
            s.Forwards(TestNode.Curl, toService.Fragment(offset, 1000), m.EastWorker, toBackend.Fragment(offset, 1000).Hopped());
        }

        ushort port = s.Sends(TestNode.Curl, toOutside.Fragment(0, 1000)).SourcePort;
        for (int offset = 0; offset < 3000; offset += 1000)
        {
            TestPacket masqueraded = toOutside with { Source = m.Node, SourcePort = port };
            s.Forwards(TestNode.Curl, toOutside.Fragment(offset, 1000), m.Gateway, masqueraded.Fragment(offset, 1000).Hopped());
        }
    }

    [Theory]
    [MemberData(nameof(Transports))]
    public void Fragments_of_answers_are_restored(Family family, IpProtocol protocol)
    {
        var s = new Scenario(family);
        Mesh m = s.Mesh;
        s.Sends(TestNode.Curl, TestPacket.Of(protocol, m.CurlPod, 40000, m.Outside, 53));
        TestPacket answer = TestPacket.Of(protocol, m.Outside, 53, m.Node, 40000) with { Payload = s_payload };
        TestPacket restored = answer with { Destination = m.CurlPod };
        foreach (int offset in (int[])[0, 2000, 1000])
        {
            s.Forwards(TestNode.Uplink, answer.Fragment(offset, 1000), TestNode.Curl, restored.Fragment(offset, 1000).Hopped());
        }
    }

    [Theory]
    [MemberData(nameof(Transports))]
    public void Without_the_first_the_later_are_dropped(Family family, IpProtocol protocol)
    {
        var s = new Scenario(family);
        TestPacket whole = TestPacket.Of(protocol, s.Mesh.CurlPod, 1024, s.Mesh.Webpod1, 80) with { Payload = s_payload };
        s.Drops(TestNode.Curl, whole.Fragment(1000, 1000), DropReason.FirstFragmentMissing);
        s.Sends(TestNode.Curl, whole.Fragment(0, 1000));
        s.Drops(TestNode.Curl, (whole with { Id = 1 }).Fragment(1000, 1000), DropReason.FirstFragmentMissing);
        s.Drops(TestNode.Curl, (whole with { Destination = s.Mesh.Webpod2 }).Fragment(1000, 1000), DropReason.FirstFragmentMissing);
        s.Node.Wait(29);
        s.Sends(TestNode.Curl, whole.Fragment(1000, 1000));
        s.Node.Wait(1);
        s.Drops(TestNode.Curl, whole.Fragment(2000, 1000), DropReason.FirstFragmentMissing);
    }

    [Theory]
    [MemberData(nameof(Scenario.Families), MemberType = typeof(Scenario))]
    public void Fragments_of_icmp_are_dropped(Family family)
    {
        var s = new Scenario(family);
        TestPacket echo = TestPacket.EchoRequest(s.Mesh.CurlPod, s.Mesh.Webpod1, 7) with { Payload = s_payload };
        s.Drops(TestNode.Curl, echo.Fragment(0, 1000), DropReason.InvalidPacket);
        s.Drops(TestNode.Curl, echo.Fragment(1000, 1000), DropReason.InvalidPacket);
    }

    /// <summary>RFC 6946: a fragment header around a whole datagram makes no fragment.</summary>
    [Fact]
    public void An_atomic_fragment_is_a_whole_packet()
    {
        var s = new Scenario(Family.Ipv6);
        TestPacket packet = TestPacket.Udp(s.Mesh.CurlPod, 40000, s.Mesh.Outside, 53) with { Extensions = [(44, [0, 0, 0, 0, 1, 2, 3, 4])] };
        s.Forwards(TestNode.Curl, packet, s.Mesh.Gateway, packet.Hopped() with { Source = s.Mesh.Node });
    }
}
