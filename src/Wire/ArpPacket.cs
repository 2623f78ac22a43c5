using System.Buffers.Binary;

namespace ClusterMesh.Datapath.Wire;

/// <summary>ARP for IPv4 over Ethernet (RFC 826), 28 bytes.</summary>
public readonly ref struct ArpPacket
{
    /// <summary>Bytes behind the Ethernet header.</summary>
    public const int Length = 28;

    private const ushort EthernetHardware = 1;
    private const int ProtocolOffset = 2;
    private const int HardwareLengthOffset = 4;
    private const int ProtocolLengthOffset = 5;
    private const int OperationOffset = 6;
    private const int SenderMacOffset = 8;
    private const int SenderIpOffset = 14;
    private const int TargetMacOffset = 18;
    private const int TargetIpOffset = 24;
    private readonly Span<byte> _bytes;

    private ArpPacket(Span<byte> bytes)
    {
        _bytes = bytes;
    }

    public ArpOperation Operation => (ArpOperation)BinaryPrimitives.ReadUInt16BigEndian(_bytes[OperationOffset..]);

    public MacAddress SenderMac => MacAddress.FromBytes(_bytes.Slice(SenderMacOffset, MacAddress.Length));

    public IpAddress SenderIp => IpAddress.FromBytes(_bytes.Slice(SenderIpOffset, 4));

    public MacAddress TargetMac => MacAddress.FromBytes(_bytes.Slice(TargetMacOffset, MacAddress.Length));

    public IpAddress TargetIp => IpAddress.FromBytes(_bytes.Slice(TargetIpOffset, 4));

    /// <summary>False for anything but IPv4 over Ethernet.</summary>
    public static bool TryParse(Span<byte> payload, out ArpPacket arp)
    {
        arp = default;
        if (payload.Length < Length
            || BinaryPrimitives.ReadUInt16BigEndian(payload) != EthernetHardware
            || BinaryPrimitives.ReadUInt16BigEndian(payload[ProtocolOffset..]) != (ushort)EtherType.Ipv4
            || payload[HardwareLengthOffset] != MacAddress.Length
            || payload[ProtocolLengthOffset] != 4)
        {
            return false;
        }

        arp = new ArpPacket(payload[..Length]);
        return true;
    }

    /// <summary>Writes all 28 bytes.</summary>
    public static void Write(Span<byte> payload, ArpOperation operation, MacAddress senderMac, IpAddress senderIp, MacAddress targetMac, IpAddress targetIp)
    {
        BinaryPrimitives.WriteUInt16BigEndian(payload, EthernetHardware);
        BinaryPrimitives.WriteUInt16BigEndian(payload[ProtocolOffset..], (ushort)EtherType.Ipv4);
        payload[HardwareLengthOffset] = MacAddress.Length;
        payload[ProtocolLengthOffset] = 4;
        BinaryPrimitives.WriteUInt16BigEndian(payload[OperationOffset..], (ushort)operation);
        senderMac.WriteTo(payload.Slice(SenderMacOffset, MacAddress.Length));
        senderIp.WriteTo(payload.Slice(SenderIpOffset, 4));
        targetMac.WriteTo(payload.Slice(TargetMacOffset, MacAddress.Length));
        targetIp.WriteTo(payload.Slice(TargetIpOffset, 4));
    }
}
