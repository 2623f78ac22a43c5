using System.Buffers.Binary;

namespace ClusterMesh.Datapath.Wire;

/// <summary>RFC 768: source and destination port, length, checksum. For UDP that is this node's own affair; flows are read by <see cref="TransportHeader"/>.</summary>
public readonly ref struct UdpHeader
{
    /// <summary>Bytes of the header.</summary>
    public const int Length = 8;

    private readonly ReadOnlySpan<byte> _bytes;

    private UdpHeader(ReadOnlySpan<byte> bytes) => _bytes = bytes;

    public ushort DestinationPort => BinaryPrimitives.ReadUInt16BigEndian(_bytes[TransportHeader.UdpDestinationOffset..]);

    /// <summary>Bytes of header and payload, as the header says.</summary>
    public ushort DatagramLength => BinaryPrimitives.ReadUInt16BigEndian(_bytes[TransportHeader.UdpLengthOffset..]);

    /// <summary>0 for none.</summary>
    public ushort Checksum => BinaryPrimitives.ReadUInt16BigEndian(_bytes[TransportHeader.UdpChecksumOffset..]);

    public static bool TryParse(ReadOnlySpan<byte> datagram, out UdpHeader header)
    {
        header = datagram.Length >= Length ? new UdpHeader(datagram[..Length]) : default;
        return datagram.Length >= Length;
    }
}
