using ClusterMesh.Datapath.Testing;
using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.Pipeline.Tests.Scenarios;

/// <summary>A node and the mesh in one family, with the sentences in which scenarios are written. Whole packets are compared.</summary>
public sealed class Scenario(Family family, TestNode? node = null)
{
    /// <summary>Both families, for a theory.</summary>
    public static TheoryData<Family> Families => [Family.Ipv4, Family.Ipv6];

    public TestNode Node { get; } = node ?? new TestNode();

    public Mesh Mesh { get; } = new(family);

    /// <summary>The packet leaves by a port that is not the uplink, as this.</summary>
    public void Forwards(string from, TestPacket sent, string to, TestPacket wanted) => Forwards(from, sent, to, default, wanted);

    /// <summary>The packet leaves by the uplink for a neighbour, as this.</summary>
    public void Forwards(string from, TestPacket sent, IpAddress nextHop, TestPacket wanted) => Forwards(from, sent, TestNode.Uplink, nextHop, wanted);

    public void Drops(string from, TestPacket sent, DropReason reason, int detail = 0) => Drops(from, Node.Arriving(from, sent), reason, detail);

    public void Drops(string from, byte[] sent, DropReason reason, int detail = 0)
    {
        Delivery got = Node.Send(from, sent);
        Assert.True(
            got.Verdict == Verdict.Drop && got.Reason == reason && got.Detail == detail, $"wanted drop {reason} {detail} of {FrameText.Line(sent)}, but: {got}");
    }

    /// <summary>The packet leaves in pieces, as these, one behind the other.</summary>
    /// <param name="nextHop">The neighbour on the node network; anything for other ports.</param>
    public void Fragments(string from, byte[] sent, VirtioNetHeader offload, string to, IpAddress nextHop, params TestPacket[] wanted)
    {
        Delivery got = Node.Send(from, sent, offload);
        Assert.True(got.Verdict == Verdict.Transmit && got.Port == to && got.Offload.IsToBeFragmented, $"wanted fragments of {FrameText.Line(sent)} by {to}, but: {got}");
        List<byte[]> pieces = Offload.Cut(got.Frame, got.Offload);
        Assert.True(wanted.Length == pieces.Count, $"wanted {wanted.Length} fragments of {FrameText.Line(sent)}, got {pieces.Count}");
        for (int i = 0; i < wanted.Length; i++)
        {
            string difference = FrameText.Difference(pieces[i], Node.Leaving(to, wanted[i], nextHop));
            Assert.True(difference.Length == 0, $"fragment {i} of {FrameText.Line(sent)}{difference}");
        }
    }

    /// <summary>The packet is dropped, and this answer leaves by the port that it came by.</summary>
    public void Refuses(string from, TestPacket sent, DropReason reason, TestPacket answer) => Refuses(from, Node.Arriving(from, sent), default, reason, answer);

    public void Refuses(string from, byte[] sent, VirtioNetHeader offload, DropReason reason, TestPacket answer)
    {
        Delivery got = Node.Send(from, sent, offload);
        Assert.True(got.Verdict == Verdict.Drop && got.Reason == reason, $"wanted drop {reason} of {FrameText.Line(sent)}, but: {got}");
        byte[] wanted = Node.Leaving(from, answer, answer.IsIpv4 ? new Mesh(Family.Ipv4).Gateway : new Mesh(Family.Ipv6).Gateway);
        Assert.True(got.Outbox.Count == 1 && got.Outbox[0].Port == from, $"wanted an answer by {from} to {FrameText.Line(sent)}, but {got.Outbox.Count} frames left");
        Assert.Equal(default, got.Outbox[0].Offload);
        string difference = FrameText.Difference(got.Outbox[0].Frame, wanted);
        Assert.True(difference.Length == 0, $"the answer to {FrameText.Line(sent)}{difference}");
    }

    /// <summary>The packet is dropped, and nobody hears of it.</summary>
    public void DropsSilently(string from, TestPacket sent, DropReason reason)
    {
        Delivery got = Node.Send(from, sent);
        Assert.True(got.Verdict == Verdict.Drop && got.Reason == reason && got.Outbox.Count == 0, $"wanted silent drop {reason}, but: {got}, {got.Outbox.Count} frames beside it");
    }

    /// <summary>What the node makes of the packet, which must leave.</summary>
    public TestPacketView Sends(string from, TestPacket sent)
    {
        Delivery got = Node.Send(from, sent);
        Assert.True(got.Verdict == Verdict.Transmit, $"{FrameText.Line(Node.Arriving(from, sent))}: {got}");
        return new TestPacketView(got);
    }

    private void Forwards(string from, TestPacket sent, string to, IpAddress nextHop, TestPacket wanted)
    {
        byte[] arriving = Node.Arriving(from, sent);
        Delivery got = Node.Send(from, arriving);
        Same(got, arriving, to, Node.Leaving(to, wanted, nextHop));
    }

    public static void Same(Delivery got, byte[] sent, string port, byte[] wanted)
    {
        Assert.True(got.Verdict == Verdict.Transmit && got.Port == port, $"wanted {FrameText.Line(wanted)} by {port}\nof {FrameText.Line(sent)}\nbut it {got}");
        string difference = FrameText.Difference(got.Frame, wanted);
        Assert.True(difference.Length == 0, $"of {FrameText.Line(sent)}{difference}");
    }
}
