using System.Buffers.Binary;

namespace ClusterMesh.Datapath.Wire;

/// <summary>The header between the outer UDP and the inner Ethernet header (RFC 7348 section 5): flags, 24 bits reserved, VNI, 8 bits reserved.</summary>
public static class VxlanHeader
{
    /// <summary>Bytes of the header.</summary>
    public const int Length = 8;

    /// <summary>The UDP port that Linux and Cilium use; IANA's is 4789.</summary>
    public const ushort DefaultPort = 8472;

    /// <summary>The largest VNI: 24 bits.</summary>
    public const uint LargestVni = 0xFF_FFFF;

    private const byte HasVni = 0x08;
    private const int VniOffset = 4;

    /// <summary>False when the header is cut off or says that it has no VNI. Reserved bits are ignored.</summary>
    public static bool TryRead(ReadOnlySpan<byte> bytes, out uint vni)
    {
        vni = 0;
        if (bytes.Length < Length || (bytes[0] & HasVni) == 0)
        {
            return false;
        }

        vni = BinaryPrimitives.ReadUInt32BigEndian(bytes[VniOffset..]) >> 8;
        return true;
    }

    /// <param name="destination">At least <see cref="Length"/> bytes; each is written.</param>
    public static void Write(Span<byte> destination, uint vni)
    {
        BinaryPrimitives.WriteUInt32BigEndian(destination, (uint)HasVni << 24);
        BinaryPrimitives.WriteUInt32BigEndian(destination[VniOffset..], vni << 8);
    }
}
