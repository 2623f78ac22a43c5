using System.Buffers.Binary;
using System.Net;
using System.Net.NetworkInformation;
using ClusterMesh.Datapath.Wire;
using PacketDotNet;
using PacketDotNet.Utils;

namespace ClusterMesh.Datapath.Testing;

/// <summary>
/// A packet said in words, for both sides of a scenario: what is sent and what is wanted. Its bytes and checksums come from
/// PacketDotNet and <see cref="NaiveChecksum"/>, never from the code under test.
/// </summary>
public sealed record TestPacket
{
    public required IpAddress Source { get; init; }

    public required IpAddress Destination { get; init; }

    public required IpProtocol Protocol { get; init; }

    public ushort SourcePort { get; init; }

    public ushort DestinationPort { get; init; }

    public TcpFlags Flags { get; init; } = TcpFlags.Ack;

    public byte IcmpType { get; init; }

    public byte IcmpCode { get; init; }

    /// <summary>Bytes 4 to 7 of an ICMP header: id and sequence, MTU, or unused.</summary>
    public uint IcmpRest { get; init; }

    public byte[] Payload { get; init; } = "GET / HTTP/1.1\r\n\r\n!"u8.ToArray();

    public int HopLimit { get; init; } = 64;

    public ushort Id { get; init; } = 0x4D2;

    /// <summary>Type of service or traffic class.</summary>
    public byte TrafficClass { get; init; }

    /// <summary>IPv4's DF.</summary>
    public bool IsDontFragment { get; init; }

    /// <summary>Multiple of four bytes.</summary>
    public byte[] Ipv4Options { get; init; } = [];

    /// <summary>Extension headers whole, their first byte included, which is set here.</summary>
    public IReadOnlyList<(byte Type, byte[] Bytes)> Extensions { get; init; } = [];

    public bool HasUdpChecksum { get; init; } = true;

    /// <summary>In bytes, for a fragment.</summary>
    public int FragmentOffset { get; init; }

    public bool HasMoreFragments { get; init; }

    /// <summary>The transport as it is, in place of what the other properties say.</summary>
    public byte[]? RawTransport { get; init; }

    public bool IsIpv4 => Source.IsIpv4;

    public static TestPacket Tcp(IpAddress source, int sourcePort, IpAddress destination, int destinationPort, TcpFlags flags = TcpFlags.Ack) =>
        Of(IpProtocol.Tcp, source, sourcePort, destination, destinationPort) with { Flags = flags };

    public static TestPacket Udp(IpAddress source, int sourcePort, IpAddress destination, int destinationPort) =>
        Of(IpProtocol.Udp, source, sourcePort, destination, destinationPort);

    public static TestPacket Of(IpProtocol protocol, IpAddress source, int sourcePort, IpAddress destination, int destinationPort) => new()
    {
        Source = source,
        Destination = destination,
        Protocol = protocol,
        SourcePort = (ushort)sourcePort,
        DestinationPort = (ushort)destinationPort,
    };

    public static TestPacket EchoRequest(IpAddress source, IpAddress destination, int id) => Icmp(source, destination, source.IsIpv4 ? 8 : 128, 0, (uint)id << 16 | 1);

    public static TestPacket EchoReply(IpAddress source, IpAddress destination, int id) => Icmp(source, destination, source.IsIpv4 ? 0 : 129, 0, (uint)id << 16 | 1);

    public static TestPacket Icmp(IpAddress source, IpAddress destination, int type, int code, uint rest = 0) => new()
    {
        Source = source,
        Destination = destination,
        Protocol = source.IsIpv4 ? IpProtocol.Icmp : IpProtocol.Icmpv6,
        IcmpType = (byte)type,
        IcmpCode = (byte)code,
        IcmpRest = rest,
    };

    /// <summary>What a station says about a packet that it got, quoting its first bytes.</summary>
    public static TestPacket Error(IpAddress source, IcmpTrouble trouble, TestPacket about, int quotedLength = 128, int mtu = 1400)
    {
        byte[] quoted = about.Datagram();
        (int type, int code, uint rest) = (trouble, source.IsIpv4) switch
        {
            (IcmpTrouble.PortUnreachable, true) => (3, 3, 0u),
            (IcmpTrouble.PortUnreachable, false) => (1, 4, 0u),
            (IcmpTrouble.TimeExceeded, true) => (11, 0, 0u),
            (IcmpTrouble.TimeExceeded, false) => (3, 0, 0u),
            (IcmpTrouble.Prohibited, true) => (3, 13, 0u),
            (IcmpTrouble.Prohibited, false) => (1, 1, 0u),
            (IcmpTrouble.TooBig, true) => (3, 4, (uint)mtu),
            _ => (2, 0, (uint)mtu),
        };
        return Icmp(source, about.Source, type, code, rest) with { Payload = quoted[..Math.Min(quotedLength, quoted.Length)] };
    }

    /// <summary>One hop further on.</summary>
    public TestPacket Hopped() => this with { HopLimit = HopLimit - 1 };

    /// <summary>The part of the datagram from <paramref name="offset"/> on, as a fragment.</summary>
    public TestPacket Fragment(int offset, int length)
    {
        byte[] whole = Transport();
        int end = Math.Min(offset + length, whole.Length);
        return this with { RawTransport = whole[offset..end], FragmentOffset = offset, HasMoreFragments = end < whole.Length };
    }

    public byte[] Frame(MacAddress source, MacAddress destination)
    {
        byte[] frame = new EthernetPacket(ToPhysical(source), ToPhysical(destination), IsIpv4 ? EthernetType.IPv4 : EthernetType.IPv6).Bytes;
        return [.. frame, .. Datagram()];
    }

    /// <summary>The IP packet.</summary>
    public byte[] Datagram() => IsIpv4 ? Ipv4() : Ipv6();

    /// <summary>Transport header and payload, with the checksum that PacketDotNet finds.</summary>
    public byte[] Transport()
    {
        if (RawTransport is not null)
        {
            return RawTransport;
        }

        IPPacket ip = IsIpv4 ? new IPv4Packet(ToIp(Source), ToIp(Destination)) : new IPv6Packet(ToIp(Source), ToIp(Destination));
        switch (Protocol)
        {
            case IpProtocol.Tcp:
                var tcp = new TcpPacket(SourcePort, DestinationPort) { Flags = (ushort)Flags, SequenceNumber = 1000, WindowSize = 512, PayloadData = Payload };
                ip.PayloadPacket = tcp;
                ip.UpdateCalculatedValues();
                tcp.UpdateTcpChecksum();
                return tcp.Bytes;
            case IpProtocol.Udp:
                var udp = new UdpPacket(SourcePort, DestinationPort) { PayloadData = Payload };
                udp.UpdateCalculatedValues();
                ip.PayloadPacket = udp;
                ip.UpdateCalculatedValues();
                udp.UpdateUdpChecksum();
                byte[] bytes = udp.Bytes;
                if (!HasUdpChecksum || BinaryPrimitives.ReadUInt16BigEndian(bytes.AsSpan(6)) == 0)
                {
                    BinaryPrimitives.WriteUInt16BigEndian(bytes.AsSpan(6), HasUdpChecksum ? ushort.MaxValue : (ushort)0);
                }

                return bytes;
            case IpProtocol.Sctp:
                byte[] sctp = [0, 0, 0, 0, 0xC0, 0xFF, 0xEE, 0x01, 0x11, 0x22, 0x33, 0x44, .. Payload];
                BinaryPrimitives.WriteUInt16BigEndian(sctp, SourcePort);
                BinaryPrimitives.WriteUInt16BigEndian(sctp.AsSpan(2), DestinationPort);
                return sctp;
            case IpProtocol.Icmp or IpProtocol.Icmpv6:
                return IcmpMessage(ip);
            default:
                return Payload;
        }
    }

    private byte[] IcmpMessage(IPPacket ip)
    {
        byte[] message = [IcmpType, IcmpCode, 0, 0, 0, 0, 0, 0, .. Payload];
        BinaryPrimitives.WriteUInt32BigEndian(message.AsSpan(4), IcmpRest);
        if (Protocol == IpProtocol.Icmp)
        {
            var icmp = new IcmpV4Packet(new ByteArraySegment(message));
            icmp.UpdateIcmpChecksum();
            return icmp.Bytes;
        }

        // PacketDotNet parses the known ICMPv6 types and cannot sum all of them; the naive sum has the same independence.
        ip.PayloadData = message;
        ip.UpdateCalculatedValues();
        ushort sum = (ushort)~NaiveChecksum.Sum(message, NaiveChecksum.PseudoHeader(ip.Bytes.AsSpan(8, 32), (byte)IpProtocol.Icmpv6, message.Length));
        BinaryPrimitives.WriteUInt16BigEndian(message.AsSpan(2), sum);
        return message;
    }

    private byte[] Ipv4()
    {
        var ip = new IPv4Packet(ToIp(Source), ToIp(Destination))
        {
            TimeToLive = HopLimit,
            Id = Id,
            Protocol = (PacketDotNet.ProtocolType)Protocol,
            TypeOfService = TrafficClass,
            FragmentFlags = (ushort)((HasMoreFragments ? 1 : 0) | (IsDontFragment ? 2 : 0)),
            FragmentOffset = FragmentOffset / 8,
            PayloadData = Transport(),
        };
        ip.UpdateCalculatedValues();
        ip.UpdateIPChecksum();
        byte[] bytes = ip.Bytes;
        if (Ipv4Options.Length == 0)
        {
            return bytes;
        }

        byte[] optioned = [.. bytes[..20], .. Ipv4Options, .. bytes[20..]];
        optioned[0] = (byte)(0x45 + (Ipv4Options.Length / 4));
        BinaryPrimitives.WriteUInt16BigEndian(optioned.AsSpan(2), (ushort)optioned.Length);
        BinaryPrimitives.WriteUInt16BigEndian(optioned.AsSpan(10), 0);
        BinaryPrimitives.WriteUInt16BigEndian(optioned.AsSpan(10), (ushort)~NaiveChecksum.Sum(optioned.AsSpan(0, 20 + Ipv4Options.Length)));
        return optioned;
    }

    private byte[] Ipv6()
    {
        var ip = new IPv6Packet(ToIp(Source), ToIp(Destination)) { HopLimit = HopLimit, TrafficClass = TrafficClass, PayloadData = Transport() };
        ip.Protocol = (PacketDotNet.ProtocolType)Protocol;
        ip.UpdateCalculatedValues();
        byte[] bytes = ip.Bytes;
        var extensions = Extensions.ToList();
        if (FragmentOffset != 0 || HasMoreFragments)
        {
            byte[] fragment = new byte[8];
            BinaryPrimitives.WriteUInt16BigEndian(fragment.AsSpan(2), (ushort)(FragmentOffset | (HasMoreFragments ? 1 : 0)));
            BinaryPrimitives.WriteUInt32BigEndian(fragment.AsSpan(4), Id);
            extensions.Add((44, fragment));
        }

        List<byte> all = [.. bytes[..40]];
        int typeAt = 6;
        foreach ((byte type, byte[] extension) in extensions)
        {
            all[typeAt] = type;
            typeAt = all.Count;
            all.AddRange(extension);
        }

        all[typeAt] = (byte)Protocol;
        all.AddRange(bytes[40..]);
        byte[] result = [.. all];
        BinaryPrimitives.WriteUInt16BigEndian(result.AsSpan(4), (ushort)(result.Length - 40));
        return result;
    }

    private static IPAddress ToIp(IpAddress address) => IPAddress.Parse(address.ToString());

    private static PhysicalAddress ToPhysical(MacAddress mac) => PhysicalAddress.Parse(mac.ToString());
}
