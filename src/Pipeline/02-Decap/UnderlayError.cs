using System.Buffers.Binary;
using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.Pipeline;

/// <summary>
/// What routers between the nodes say of tunnelled packets. Of one that is too long for a link (RFC 1191, RFC 8201) the tunnel takes note, and its next
/// long packets are answered or fragmented by that; every other error is the host stack's to count.
/// </summary>
public static class UnderlayError
{
    /// <summary>Less is believed of nobody: RFC 791's least that every host takes, and Linux' net.ipv4.route.min_pmtu is near it.</summary>
    private const int LeastIpv4 = 576;

    private const int LeastIpv6 = 1280;
    /// <summary>RFC 791 section 3.1.</summary>
    private const int TotalLengthOffset = 2;

    private const byte Unreachable = 3;
    private const byte FragmentationNeeded = 4;
    private const byte PacketTooBig = 2;

    /// <summary>RFC 7348 section 5: our tunnels' source ports, which an error must name.</summary>
    private const ushort FirstSourcePort = 49152;

    /// <summary>Takes note if the packet is such an error about a tunnel of this node; the packet goes on in any case.</summary>
    public static void Learn(in PacketContext p, TunnelTable tunnels, MonoTime now)
    {
        // The key is the quoted packet's, turned round.
        if (p.Key.Protocol != IpProtocol.Udp || p.Key.Destination != tunnels.Own || p.Key.SourcePort != tunnels.Port || p.Key.DestinationPort < FirstSourcePort
            || !(p.IsIpv4 ? p.IcmpType == Unreachable && p.IcmpCode == FragmentationNeeded : p.IcmpType == PacketTooBig)
            || !tunnels.Senders.TryLookup(p.Key.Source, out int number) || tunnels.Endpoints[number] is not { } endpoint || endpoint.Address != p.Key.Source)
        {
            return;
        }

        Span<byte> message = p.Datagram[p.TransportOffset..];
        if (!p.Offload.HasPartialChecksum && !IsSound(p, message))
        {
            return;
        }

        int said = p.IsIpv4 ? BinaryPrimitives.ReadUInt16BigEndian(message[6..]) : (int)Math.Min(BinaryPrimitives.ReadUInt32BigEndian(message[4..]), ushort.MaxValue);
        if (said == 0)
        {
            said = Plateau(BinaryPrimitives.ReadUInt16BigEndian(message[(TransportHeader.IcmpLength + TotalLengthOffset)..]));
        }

        int mtu = Math.Max(said, p.IsIpv4 ? LeastIpv4 : LeastIpv6) - tunnels.OuterLength;
        if (mtu < tunnels.Mtu)
        {
            tunnels.PathMtus.Lower(number, mtu, now);
        }
    }

    private static bool IsSound(in PacketContext p, Span<byte> message)
    {
        IpHeader.Parse(p.Datagram, quoted: false, out IpHeader ip);
        return InternetChecksum.Sum(message, p.IsIpv4 ? (ushort)0 : InternetChecksum.PseudoHeader(ip.Source, ip.Destination, IpProtocol.Icmpv6, message.Length)) == ushort.MaxValue;
    }

    /// <summary>RFC 1191 section 7, for routers that do not say how much: the next of the usual MTUs below the packet.</summary>
    private static int Plateau(int length) => length switch
    {
        > 17914 => 17914,
        > 8166 => 8166,
        > 4352 => 4352,
        > 2002 => 2002,
        > 1492 => 1492,
        > 1006 => 1006,
        _ => LeastIpv4,
    };
}
