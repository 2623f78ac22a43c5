using ClusterMesh.Datapath.Testing;
using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.Pipeline.Tests.Steering;

/// <summary>One flow of a <see cref="SteeringHistory"/>: who begins it where, and how the other end sees it at each of the two nodes.</summary>
/// <param name="Kind">For the message when something differs.</param>
/// <param name="From">The client's port of the node.</param>
/// <param name="First">What the client sends.</param>
internal sealed record SteeringFlow(string Kind, string From, TestPacket First)
{
    /// <summary>The worker that has it; -1 before the first packet.</summary>
    public int Worker { get; set; } = -1;

    /// <summary>When its last packet left the node.</summary>
    public MonoTime LastPacket { get; set; }

    /// <summary>The port by which the client's packets leave; null while none has.</summary>
    public string? To { get; set; }

    /// <summary>Its packets as the server sees them, at the node with one worker and at the one with several.</summary>
    public FlowKey[] Seen { get; } = new FlowKey[2];

    /// <summary>Whether the server has answered.</summary>
    public bool IsAnswered { get; set; }

    public bool IsEcho => First.Protocol is IpProtocol.Icmp or IpProtocol.Icmpv6;

    /// <summary>The server's packet to the client, as it stands where the server is.</summary>
    public TestPacket Answer(int node, int payloadLength)
    {
        FlowKey seen = Seen[node];
        TestPacket packet = IsEcho
            ? TestPacket.EchoReply(seen.Destination, seen.Source, seen.SourcePort | seen.DestinationPort)
            : TestPacket.Of(seen.Protocol, seen.Destination, seen.DestinationPort, seen.Source, seen.SourcePort);
        return packet with { Flags = IsAnswered ? TcpFlags.Ack : TcpFlags.Syn | TcpFlags.Ack, Payload = new byte[payloadLength] };
    }

    /// <summary>The client's packet as the server got it.</summary>
    public TestPacket Got(int node)
    {
        FlowKey seen = Seen[node];
        return IsEcho
            ? TestPacket.EchoRequest(seen.Source, seen.Destination, seen.SourcePort | seen.DestinationPort)
            : TestPacket.Of(seen.Protocol, seen.Source, seen.SourcePort, seen.Destination, seen.DestinationPort);
    }
}
