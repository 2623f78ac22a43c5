using System.Buffers.Binary;
using System.Globalization;
using ClusterMesh.Datapath.Control;
using ClusterMesh.Datapath.Control.Messages;
using ClusterMesh.Datapath.Pipeline;
using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.Trace;

/// <summary>Makes frames as a station on a port's link would send them.</summary>
internal static class FrameMaker
{
    private const int TcpLength = 20;
    private const int UdpLength = 8;
    private const int SctpLength = 16;
    private const int IcmpLength = 8;
    private const byte DefaultHopLimit = 64;
    private const ushort Window = 64240;

    /// <summary>Who sends to the node on its uplink, when nobody in particular does. Locally administered.</summary>
    private static readonly MacAddress s_stranger = MacAddress.Parse("02:00:00:00:00:fe");

    /// <exception cref="ControlException">The packet cannot be made.</exception>
    public static byte[] Make(TracePacket packet, in FlowKey flow, Port port)
    {
        TcpFlags flags = packet.Flags is { } text ? Flags(text) : TcpFlags.Syn;
        int headerLength = flow.Source.IsIpv4 ? IpHeader.Ipv4Length : IpHeader.Ipv6Length;
        int least = headerLength + TransportLength(flow.Protocol);
        int length = packet.Length ?? least;
        const int Most = PacketContext.BufferLength - PacketContext.Headroom - EthernetHeader.Length - 1;
        if (length < least || length > Most)
        {
            throw Bad(string.Create(CultureInfo.InvariantCulture, $"length: {length} is no length of such a packet; it has {least} to {Most} bytes"));
        }

        if (packet.HopLimit is < 1 or > 255)
        {
            throw Bad(string.Create(CultureInfo.InvariantCulture, $"hopLimit: {packet.HopLimit} is none; use 1 to 255"));
        }

        byte[] frame = new byte[EthernetHeader.Length + length];
        Readdress(frame, port);
        EthernetHeader ethernet = EthernetHeader.Of(frame);
        ethernet.Type = flow.Source.IsIpv4 ? EtherType.Ipv4 : EtherType.Ipv6;
        WriteTransport(frame.AsSpan(EthernetHeader.Length + headerLength), flow, flags, isReply: false);
        bool dontFragment = packet.DontFragment ?? (flow.Protocol == IpProtocol.Tcp);
        WriteIp(frame.AsSpan(EthernetHeader.Length), flow, (byte)(packet.HopLimit ?? DefaultHopLimit), dontFragment);
        return frame;
    }

    /// <summary>What the receiver of a frame would answer: SYN and ACK to SYN, an echo reply to an echo request, the like to the rest.</summary>
    /// <returns>Null when nobody answers such a packet.</returns>
    public static byte[]? Answer(Span<byte> received, Port port)
    {
        if (!EthernetHeader.TryParse(received, out EthernetHeader ethernet) || ethernet.Type is not (EtherType.Ipv4 or EtherType.Ipv6)
            || IpHeader.Parse(received[EthernetHeader.Length..], quoted: false, out IpHeader ip) != IpParseResult.Valid || ip.IsFragment
            || !TransportHeader.IsKnown(ip.Protocol)
            || !TransportHeader.TryParse(received[(EthernetHeader.Length + ip.HeaderLength)..], ip.Protocol, fragment: true, out TransportHeader transport))
        {
            return null;
        }

        if (transport.IsIcmp && transport.IcmpKind != IcmpKind.EchoRequest)
        {
            return null;
        }

        FlowKey flow = transport.IsIcmp
            ? new FlowKey(ip.Destination, ip.Source, transport.EchoId, 0, ip.Protocol)
            : new FlowKey(ip.Destination, ip.Source, transport.DestinationPort, transport.SourcePort, ip.Protocol);
        TcpFlags flags = ip.Protocol != IpProtocol.Tcp ? TcpFlags.None : (transport.Flags & (TcpFlags.Syn | TcpFlags.Ack)) == TcpFlags.Syn ? TcpFlags.Syn | TcpFlags.Ack : TcpFlags.Ack;
        int headerLength = ip.IsIpv4 ? IpHeader.Ipv4Length : IpHeader.Ipv6Length;
        byte[] frame = new byte[EthernetHeader.Length + headerLength + TransportLength(ip.Protocol)];
        Readdress(frame, port);
        EthernetHeader answer = EthernetHeader.Of(frame);
        answer.Type = ethernet.Type;
        WriteTransport(frame.AsSpan(EthernetHeader.Length + headerLength), flow, flags, isReply: true);
        WriteIp(frame.AsSpan(EthernetHeader.Length), flow, DefaultHopLimit, dontFragment: ip.Protocol == IpProtocol.Tcp);
        return frame;
    }

    /// <summary>Gives a frame the MAC addresses that it would have on a port's link.</summary>
    public static void Readdress(Span<byte> frame, Port port)
    {
        EthernetHeader ethernet = EthernetHeader.Of(frame);
        ethernet.Source = port.Kind == PortKind.Uplink ? s_stranger : port.StationMac;
        ethernet.Destination = port.RouterMac;
    }

    private static int TransportLength(IpProtocol protocol) => protocol switch
    {
        IpProtocol.Tcp => TcpLength,
        IpProtocol.Udp => UdpLength,
        IpProtocol.Sctp => SctpLength,
        _ => IcmpLength,
    };

    private static void WriteIp(Span<byte> datagram, in FlowKey flow, byte hopLimit, bool dontFragment)
    {
        if (flow.Source.IsIpv4)
        {
            // RFC 791 section 3.1.
            datagram[0] = 0x45;
            BinaryPrimitives.WriteUInt16BigEndian(datagram[2..], (ushort)datagram.Length);
            BinaryPrimitives.WriteUInt16BigEndian(datagram[6..], dontFragment ? (ushort)0x4000 : (ushort)0);
            datagram[8] = hopLimit;
            datagram[9] = (byte)flow.Protocol;
            flow.Source.WriteTo(datagram.Slice(12, 4));
            flow.Destination.WriteTo(datagram.Slice(16, 4));
            BinaryPrimitives.WriteUInt16BigEndian(datagram[10..], InternetChecksum.Compute(datagram[..IpHeader.Ipv4Length]));
            return;
        }

        // RFC 8200 section 3.
        datagram[0] = 0x60;
        BinaryPrimitives.WriteUInt16BigEndian(datagram[4..], (ushort)(datagram.Length - IpHeader.Ipv6Length));
        datagram[6] = (byte)flow.Protocol;
        datagram[7] = hopLimit;
        flow.Source.WriteTo(datagram.Slice(8, IpAddress.Length));
        flow.Destination.WriteTo(datagram.Slice(24, IpAddress.Length));
    }

    private static void WriteTransport(Span<byte> segment, in FlowKey flow, TcpFlags flags, bool isReply)
    {
        if (flow.Protocol is IpProtocol.Icmp or IpProtocol.Icmpv6)
        {
            // RFC 792 and RFC 4443 section 4: echo request 8 or 128, reply 0 or 129.
            segment[0] = (flow.Source.IsIpv4, isReply) switch { (true, false) => 8, (true, true) => 0, (false, false) => 128, _ => 129 };
            BinaryPrimitives.WriteUInt16BigEndian(segment[4..], (ushort)(flow.SourcePort | flow.DestinationPort));
            BinaryPrimitives.WriteUInt16BigEndian(segment[6..], 1);
            BinaryPrimitives.WriteUInt16BigEndian(
                segment[2..], flow.Source.IsIpv4 ? InternetChecksum.Compute(segment) : InternetChecksum.ComputeTransport(flow.Source, flow.Destination, flow.Protocol, segment));
            return;
        }

        BinaryPrimitives.WriteUInt16BigEndian(segment, flow.SourcePort);
        BinaryPrimitives.WriteUInt16BigEndian(segment[2..], flow.DestinationPort);
        switch (flow.Protocol)
        {
            case IpProtocol.Tcp: // RFC 9293 section 3.1.
                BinaryPrimitives.WriteUInt32BigEndian(segment[4..], 1);
                segment[12] = (TcpLength / 4) << 4;
                segment[13] = (byte)flags;
                BinaryPrimitives.WriteUInt16BigEndian(segment[14..], Window);
                BinaryPrimitives.WriteUInt16BigEndian(segment[16..], InternetChecksum.ComputeTransport(flow.Source, flow.Destination, flow.Protocol, segment));
                return;
            case IpProtocol.Udp: // RFC 768: a sum of 0 is sent as all ones.
                BinaryPrimitives.WriteUInt16BigEndian(segment[4..], (ushort)segment.Length);
                ushort sum = InternetChecksum.ComputeTransport(flow.Source, flow.Destination, flow.Protocol, segment);
                BinaryPrimitives.WriteUInt16BigEndian(segment[6..], sum == 0 ? ushort.MaxValue : sum);
                return;
            default: // RFC 9260 section 3: a COOKIE ACK, the shortest chunk. Nobody on the way looks at its CRC.
                segment[12] = 11;
                BinaryPrimitives.WriteUInt16BigEndian(segment[14..], 4);
                return;
        }
    }

    private static TcpFlags Flags(string text)
    {
        TcpFlags flags = TcpFlags.None;
        foreach (string name in text.Split([',', '|', '+'], StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries))
        {
            flags |= Enum.TryParse(name, ignoreCase: true, out TcpFlags flag) && !int.TryParse(name, out _)
                ? flag
                : throw Bad($"flags: '{name}' is no flag of TCP; use some of SYN, ACK, FIN, RST, PSH, URG, ECE, CWR with commas between");
        }

        return flags;
    }

    private static ControlException Bad(string message) => new(ErrorCode.InvalidParams, message);
}
