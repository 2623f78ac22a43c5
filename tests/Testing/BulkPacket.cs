using System.Buffers.Binary;
using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.Testing;

/// <summary>
/// A TCP or UDP packet with everything that segmentation and coalescing care for, and the naive twin of both: its segments are packets of
/// their own, said field by field. Bytes and checksums come from this file and <see cref="NaiveChecksum"/>, never from the code under test.
/// </summary>
public sealed record BulkPacket
{
    public const int EthernetLength = 14;

    public required Family Family { get; init; }

    public bool IsTcp { get; init; } = true;

    public byte[] Macs { get; init; } = [0x0a, 0, 0, 0, 0, 1, 0x0a, 0, 0, 0, 1, 5];

    /// <summary>Last byte of the source address.</summary>
    public byte Source { get; init; } = 105;

    public ushort SourcePort { get; init; } = 40_000;

    public ushort DestinationPort { get; init; } = 80;

    /// <summary>TOS or traffic class.</summary>
    public byte TrafficClass { get; init; }

    public int FlowLabel { get; init; }

    public byte HopLimit { get; init; } = 64;

    public ushort Id { get; init; } = 1;

    public bool IsDontFragment { get; init; } = true;

    /// <summary>Options of IPv4, or a destination options header of IPv6 (RFC 8200 section 4.6): a multiple of 4 or 8 bytes.</summary>
    public byte[] IpOptions { get; init; } = [];

    public uint Sequence { get; init; } = 1000;

    public uint Acknowledgment { get; init; } = 77;

    public TcpFlags Flags { get; init; } = TcpFlags.Ack;

    /// <summary>The low bits beside the data offset: AE and reserved.</summary>
    public byte Reserved { get; init; }

    public ushort Window { get; init; } = 512;

    public ushort Urgent { get; init; }

    /// <summary>A multiple of 4 bytes.</summary>
    public byte[] TcpOptions { get; init; } = [];

    public byte[] Payload { get; init; } = [];

    public bool IsIpv4 => Family == Family.Ipv4;

    /// <summary>Of the transport header, in the frame.</summary>
    public int TransportOffset => EthernetLength + (IsIpv4 ? 20 : 40) + IpOptions.Length;

    /// <summary>Bytes of all headers.</summary>
    public int HeadersLength => TransportOffset + (IsTcp ? 20 + TcpOptions.Length : 8);

    private int ChecksumOffset => IsTcp ? 16 : 6;

    public static TapOffloads SuperPacketOffload(bool isIpv4, bool isTcp) => isTcp
        ? isIpv4 ? TapOffloads.TcpIpv4 : TapOffloads.TcpIpv6
        : isIpv4 ? TapOffloads.UdpIpv4 : TapOffloads.UdpIpv6;

    /// <summary>The frame with complete checksums, behind a virtio header that says nothing.</summary>
    public byte[] Complete()
    {
        byte[] packet = Raw();
        Span<byte> transport = packet.AsSpan(VirtioNetHeader.Length + TransportOffset);
        ushort sum = (ushort)~NaiveChecksum.Sum(transport, PseudoHeader(packet));
        BinaryPrimitives.WriteUInt16BigEndian(transport[ChecksumOffset..], sum == 0 && !IsTcp ? ushort.MaxValue : sum);
        return packet;
    }

    /// <summary>The frame with a partial checksum; a super-packet when a segment length is given.</summary>
    public byte[] Partial(int segmentLength = 0)
    {
        byte[] packet = Raw();
        BinaryPrimitives.WriteUInt16BigEndian(packet.AsSpan(VirtioNetHeader.Length + TransportOffset + ChecksumOffset), PseudoHeader(packet));
        VirtioGsoType type = segmentLength == 0 ? VirtioGsoType.None
            : !IsTcp ? VirtioGsoType.UdpL4
            : (IsIpv4 ? VirtioGsoType.Tcp4 : VirtioGsoType.Tcp6) | ((Flags & TcpFlags.Cwr) != 0 ? VirtioGsoType.Ecn : 0);
        new VirtioNetHeader(
            VirtioNetFlags.NeedsChecksum, type, (ushort)(segmentLength == 0 ? 0 : HeadersLength), (ushort)segmentLength, (ushort)TransportOffset, (ushort)ChecksumOffset)
            .WriteTo(packet);
        return packet;
    }

    /// <summary>Cuts by the rules in words: ids and sequence numbers count, CWR stays on the first segment, FIN and PSH on the last.</summary>
    public IEnumerable<BulkPacket> Segments(int segmentLength)
    {
        int index = 0;
        for (int at = 0; at < Payload.Length; at += segmentLength, index++)
        {
            bool isLast = at + segmentLength >= Payload.Length;
            yield return this with
            {
                Id = (ushort)(Id + index),
                Sequence = Sequence + (uint)at,
                Flags = Flags & ~((index > 0 ? TcpFlags.Cwr : 0) | (isLast ? 0 : TcpFlags.Fin | TcpFlags.Psh)),
                Payload = Payload[at..Math.Min(at + segmentLength, Payload.Length)],
            };
        }
    }

    /// <summary>What follows this packet in its flow.</summary>
    public BulkPacket Next(byte[] payload) => this with { Id = (ushort)(Id + 1), Sequence = Sequence + (uint)Payload.Length, Payload = payload };

    public override string ToString() =>
        $"{Family} {(IsTcp ? "TCP" : "UDP")} {Payload.Length} bytes, id {Id}{(IsDontFragment ? " DF" : "")}, seq {Sequence}, {Flags}, "
        + $"{IpOptions.Length} bytes of IP options, {TcpOptions.Length} of TCP options";

    private byte[] Raw()
    {
        byte[] packet = new byte[VirtioNetHeader.Length + HeadersLength + Payload.Length];
        Span<byte> frame = packet.AsSpan(VirtioNetHeader.Length);
        Macs.CopyTo(frame);
        BinaryPrimitives.WriteUInt16BigEndian(frame[12..], (ushort)(IsIpv4 ? 0x0800 : 0x86DD));
        if (IsIpv4)
        {
            WriteIpv4(frame[EthernetLength..]);
        }
        else
        {
            WriteIpv6(frame[EthernetLength..]);
        }

        WriteTransport(frame[TransportOffset..]);
        Payload.CopyTo(frame[HeadersLength..]);
        return packet;
    }

    private void WriteIpv4(Span<byte> ip)
    {
        ip[0] = (byte)(0x45 + (IpOptions.Length / 4));
        ip[1] = TrafficClass;
        BinaryPrimitives.WriteUInt16BigEndian(ip[2..], (ushort)ip.Length);
        BinaryPrimitives.WriteUInt16BigEndian(ip[4..], Id);
        ip[6] = (byte)(IsDontFragment ? 0x40 : 0);
        ip[8] = HopLimit;
        ip[9] = (byte)(IsTcp ? 6 : 17);
        ((ReadOnlySpan<byte>)[10, 0, 1, Source, 10, 1, 1, 2]).CopyTo(ip[12..]);
        IpOptions.CopyTo(ip[20..]);
        BinaryPrimitives.WriteUInt16BigEndian(ip[10..], (ushort)~NaiveChecksum.Sum(ip[..(20 + IpOptions.Length)]));
    }

    private void WriteIpv6(Span<byte> ip)
    {
        byte transport = (byte)(IsTcp ? 6 : 17);
        BinaryPrimitives.WriteUInt32BigEndian(ip, 6u << 28 | (uint)TrafficClass << 20 | (uint)FlowLabel);
        BinaryPrimitives.WriteUInt16BigEndian(ip[4..], (ushort)(ip.Length - 40));
        ip[6] = IpOptions.Length == 0 ? transport : (byte)60;
        ip[7] = HopLimit;
        ((ReadOnlySpan<byte>)[0xfd, 0, 0, 0x10, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, Source]).CopyTo(ip[8..]);
        ((ReadOnlySpan<byte>)[0xfd, 0, 0, 0x10, 0, 1, 0, 1, 0, 0, 0, 0, 0, 0, 0, 2]).CopyTo(ip[24..]);
        IpOptions.CopyTo(ip[40..]);
        if (IpOptions.Length > 0)
        {
            ip[40] = transport;
            ip[41] = (byte)((IpOptions.Length / 8) - 1);
        }
    }

    private void WriteTransport(Span<byte> transport)
    {
        BinaryPrimitives.WriteUInt16BigEndian(transport, SourcePort);
        BinaryPrimitives.WriteUInt16BigEndian(transport[2..], DestinationPort);
        if (!IsTcp)
        {
            BinaryPrimitives.WriteUInt16BigEndian(transport[4..], (ushort)transport.Length);
            return;
        }

        BinaryPrimitives.WriteUInt32BigEndian(transport[4..], Sequence);
        BinaryPrimitives.WriteUInt32BigEndian(transport[8..], Acknowledgment);
        transport[12] = (byte)((5 + (TcpOptions.Length / 4)) << 4 | Reserved);
        transport[13] = (byte)Flags;
        BinaryPrimitives.WriteUInt16BigEndian(transport[14..], Window);
        BinaryPrimitives.WriteUInt16BigEndian(transport[18..], Urgent);
        TcpOptions.CopyTo(transport[20..]);
    }

    private ushort PseudoHeader(byte[] packet)
    {
        Span<byte> frame = packet.AsSpan(VirtioNetHeader.Length);
        ReadOnlySpan<byte> addresses = IsIpv4 ? frame.Slice(EthernetLength + 12, 8) : frame.Slice(EthernetLength + 8, 32);
        return NaiveChecksum.PseudoHeader(addresses, (byte)(IsTcp ? 6 : 17), frame.Length - TransportOffset);
    }
}
