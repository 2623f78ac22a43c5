using ClusterMesh.Datapath.Testing;
using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.Pipeline.Tests.Scenarios;

/// <summary>What is longer than the next link takes and may be cut leaves in fragments (RFC 791 section 3.2), behind every translation.</summary>
public sealed class FragmentationTests
{
    private static readonly byte[] s_payload = [.. Enumerable.Range(0, 3200).Select(i => (byte)(i * 7))];

    public static TheoryData<IpProtocol> Protocols => [IpProtocol.Tcp, IpProtocol.Udp, IpProtocol.Icmp];

    private readonly Scenario _s = new(Family.Ipv4);

    [Theory]
    [MemberData(nameof(Protocols))]
    public void A_long_packet_is_cut_behind_the_translation(IpProtocol protocol)
    {
        TestPacket sent = protocol == IpProtocol.Icmp
            ? TestPacket.EchoRequest(_s.Mesh.CurlPod, _s.Mesh.Outside, 7) with { Payload = s_payload }
            : TestPacket.Of(protocol, _s.Mesh.CurlPod, 40000, _s.Mesh.Outside, 53) with { Payload = s_payload };
        TestPacket left = sent.Hopped() with { Source = _s.Mesh.Node };
        byte[] frame = _s.Node.Arriving(TestNode.Curl, sent);
        _s.Fragments(
            TestNode.Curl, frame, default, TestNode.Uplink, _s.Mesh.Gateway, left.Fragment(0, 1480), left.Fragment(1480, 1480), left.Fragment(2960, 1480));
    }

    /// <summary>The sender's card was to complete the checksum; nobody can any more once it is in pieces.</summary>
    [Fact]
    public void A_partial_checksum_is_completed_before()
    {
        TestPacket sent = TestPacket.Udp(_s.Mesh.CurlPod, 40000, _s.Mesh.Outside, 53) with { Payload = s_payload };
        TestPacket left = sent.Hopped() with { Source = _s.Mesh.Node };
        byte[] frame = _s.Node.Arriving(TestNode.Curl, sent);
        VirtioNetHeader offload = Offload.MakePartial(frame);
        _s.Fragments(TestNode.Curl, frame, offload, TestNode.Uplink, _s.Mesh.Gateway, left.Fragment(0, 1480), left.Fragment(1480, 1480), left.Fragment(2960, 1480));
    }

    [Fact]
    public void Each_segment_of_a_super_packet_is_cut()
    {
        TestPacket sent = TestPacket.Udp(_s.Mesh.CurlPod, 40000, _s.Mesh.Outside, 53) with { Payload = s_payload };
        TestPacket left = sent.Hopped() with { Source = _s.Mesh.Node };
        TestPacket first = left with { Payload = s_payload[..1600] };
        TestPacket second = left with { Payload = s_payload[1600..], Id = (ushort)(left.Id + 1) };
        byte[] frame = _s.Node.Arriving(TestNode.Curl, sent);
        VirtioNetHeader offload = Offload.MakePartial(frame, VirtioGsoType.UdpL4, 1600);
        _s.Fragments(
            TestNode.Curl, frame, offload, TestNode.Uplink, _s.Mesh.Gateway,
            first.Fragment(0, 1480), first.Fragment(1480, 1480), second.Fragment(0, 1480), second.Fragment(1480, 1480));
    }

    /// <summary>Of the options only those with the copied flag go into every fragment.</summary>
    [Fact]
    public void Options_are_copied_as_they_say()
    {
        byte[] security = [0x82, 11, 1, 2, 3, 4, 5, 6, 7, 8, 9];
        byte[] record = [7, 7, 4, 0, 0, 0, 0];
        TestPacket sent = TestPacket.Udp(_s.Mesh.CurlPod, 40000, _s.Mesh.EastPod, 53) with { Payload = s_payload, Ipv4Options = [1, .. security, .. record, 0] };
        TestPacket left = sent.Hopped();
        TestPacket later = left with { Ipv4Options = [.. security, 0] };
        byte[] frame = _s.Node.Arriving(TestNode.Curl, sent);
        _s.Fragments(
            TestNode.Curl, frame, default, TestNode.Uplink, _s.Mesh.EastWorker, left.Fragment(0, 1456), later.Fragment(1456, 1464), later.Fragment(2920, 1464));
    }

    [Fact]
    public void A_fragment_is_cut_again()
    {
        TestPacket whole = TestPacket.Udp(_s.Mesh.CurlPod, 40000, _s.Mesh.EastPod, 53) with { Payload = [.. s_payload, .. s_payload] };
        TestPacket left = whole.Hopped();
        byte[] first = _s.Node.Arriving(TestNode.Curl, whole.Fragment(0, 2000));
        _s.Fragments(TestNode.Curl, first, default, TestNode.Uplink, _s.Mesh.EastWorker, left.Fragment(0, 1480), left.Fragment(1480, 520));
        byte[] second = _s.Node.Arriving(TestNode.Curl, whole.Fragment(2000, 2000));
        _s.Fragments(TestNode.Curl, second, default, TestNode.Uplink, _s.Mesh.EastWorker, left.Fragment(2000, 1480), left.Fragment(3480, 520));
        byte[] last = _s.Node.Arriving(TestNode.Curl, whole.Fragment(4000, 8000));
        _s.Fragments(TestNode.Curl, last, default, TestNode.Uplink, _s.Mesh.EastWorker, left.Fragment(4000, 1480), left.Fragment(5480, 8000));
    }

    /// <summary>One that waits for its next hop is cut when it leaves.</summary>
    [Fact]
    public void A_held_packet_is_cut_too()
    {
        IpAddress stranger = _s.Mesh.At("172.18.0.201");
        TestPacket sent = TestPacket.Udp(_s.Mesh.CurlPod, 40000, stranger, 53) with { Payload = s_payload };
        Assert.Equal(Verdict.Held, _s.Node.Send(TestNode.Curl, sent).Verdict);
        Delivery answered = _s.Node.Send(TestNode.Uplink, NeighborFrames.Reply(stranger, TestNode.MacOf(stranger), _s.Mesh.Node, TestNode.UplinkMac));
        OutboxFrame released = Assert.Single(answered.Outbox);
        TestPacket left = sent.Hopped() with { Source = _s.Mesh.Node };
        TestPacket[] wanted = [left.Fragment(0, 1480), left.Fragment(1480, 1480), left.Fragment(2960, 1480)];
        Assert.Equal(
            wanted.Select(w => Convert.ToHexString(_s.Node.Leaving(TestNode.Uplink, w, stranger))),
            Offload.Cut(released.Frame, released.Offload).Select(Convert.ToHexString));
    }

    [Fact]
    public void A_packet_that_fits_is_not_cut()
    {
        TestPacket sent = TestPacket.Udp(_s.Mesh.CurlPod, 40000, _s.Mesh.EastPod, 53) with { Payload = s_payload[..1472] };
        _s.Forwards(TestNode.Curl, sent, _s.Mesh.EastWorker, sent.Hopped());
    }

    /// <summary>Whatever the lengths: the pieces put together are the packet.</summary>
    [Fact]
    public void The_pieces_make_the_packet_for_every_length()
    {
        for (int length = 1473; length < 3100; length += 7)
        {
            TestPacket sent = TestPacket.Udp(_s.Mesh.CurlPod, 40000, _s.Mesh.EastPod, 53) with { Payload = s_payload[..length] };
            Delivery got = _s.Node.Send(TestNode.Curl, sent);
            byte[] together = [.. Offload.Cut(got.Frame, got.Offload).SelectMany(f => f[34..])];
            Assert.Equal(sent.Transport(), together);
        }
    }
}
