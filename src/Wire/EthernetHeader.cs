using System.Buffers.Binary;

namespace ClusterMesh.Datapath.Wire;

/// <summary>Ethernet II header (IEEE 802.3 clause 3): destination, source, EtherType.</summary>
public readonly ref struct EthernetHeader
{
    /// <summary>Bytes of the header.</summary>
    public const int Length = 14;

    private const int DestinationOffset = 0;
    private const int SourceOffset = 6;
    private const int TypeOffset = 12;
    private readonly Span<byte> _bytes;

    private EthernetHeader(Span<byte> bytes)
    {
        _bytes = bytes;
    }

    public MacAddress Destination
    {
        get => MacAddress.FromBytes(_bytes.Slice(DestinationOffset, MacAddress.Length));
        set => value.WriteTo(_bytes.Slice(DestinationOffset, MacAddress.Length));
    }

    public MacAddress Source
    {
        get => MacAddress.FromBytes(_bytes.Slice(SourceOffset, MacAddress.Length));
        set => value.WriteTo(_bytes.Slice(SourceOffset, MacAddress.Length));
    }

    /// <summary>Values below 0x0600 are an 802.3 length and no type.</summary>
    public EtherType Type
    {
        get => (EtherType)BinaryPrimitives.ReadUInt16BigEndian(_bytes[TypeOffset..]);
        set => BinaryPrimitives.WriteUInt16BigEndian(_bytes[TypeOffset..], (ushort)value);
    }

    /// <summary>The header of a frame that is known to hold one.</summary>
    /// <exception cref="ArgumentOutOfRangeException">It does not.</exception>
    public static EthernetHeader Of(Span<byte> frame) => new(frame[..Length]);

    public static bool TryParse(Span<byte> frame, out EthernetHeader header)
    {
        header = frame.Length >= Length ? new EthernetHeader(frame[..Length]) : default;
        return frame.Length >= Length;
    }
}
