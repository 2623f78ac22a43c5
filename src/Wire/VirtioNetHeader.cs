using System.Buffers.Binary;

namespace ClusterMesh.Datapath.Wire;

/// <summary>
/// What a TAP says beside a frame (virtio 1.2 section 5.1.6, 10 bytes, little endian on the wire as IFF_VNET_HDR gives it):
/// whether the transport checksum is only partial and how a super-packet is to be cut. Travels with the frame through all stages.
/// </summary>
/// <param name="ChecksumStart">Offset in the frame from which the checksum is to be summed.</param>
/// <param name="ChecksumOffset">Offset of the checksum field from there.</param>
/// <param name="SegmentLength">Payload bytes a segment of a super-packet (gso_size).</param>
/// <param name="HeaderLength">Bytes of headers that each segment repeats (hdr_len); only a hint: Linux gives the length of the packet's first piece.</param>
public readonly record struct VirtioNetHeader(
    VirtioNetFlags Flags, VirtioGsoType GsoType, ushort HeaderLength, ushort SegmentLength, ushort ChecksumStart, ushort ChecksumOffset)
{
    /// <summary>Bytes in front of each frame.</summary>
    public const int Length = 10;

    /// <summary>The checksum field holds only the pseudo-header's sum, not complemented; the last device completes it.</summary>
    public bool HasPartialChecksum => (Flags & VirtioNetFlags.NeedsChecksum) != 0;

    /// <summary>The frame is a TCP or UDP super-packet.</summary>
    public bool IsSuperPacket => (GsoType & ~VirtioGsoType.Flags) != VirtioGsoType.None;

    /// <summary>The frame has outer headers around it, and what is said here of a super-packet, or of fragments to be made, is the inner frame's affair.</summary>
    public bool IsTunnelled => (GsoType & VirtioGsoType.TunnelOther) != VirtioGsoType.None;

    /// <summary>The outer headers are none of ours: it can neither be cut nor be put behind others.</summary>
    public bool IsInOtherTunnel => (GsoType & VirtioGsoType.TunnelOther) == VirtioGsoType.TunnelOther;

    /// <summary>No device takes it as it is, or not every one.</summary>
    public bool IsToBeLookedAt => IsToBeFragmented || IsTunnelled;

    /// <summary>The last step before the device is to cut it; see <see cref="VirtioNetFlags.Fragment"/>.</summary>
    public bool IsToBeFragmented => (Flags & VirtioNetFlags.Fragment) != 0;

    /// <summary>The same packet, to be cut to an MTU.</summary>
    public VirtioNetHeader FragmentedTo(int mtu) => this with { Flags = Flags | VirtioNetFlags.Fragment, HeaderLength = (ushort)mtu };

    /// <summary>The same packet behind outer headers. Only what is to be cut needs to know of them.</summary>
    /// <param name="outerLength">Bytes that were put in front of the frame.</param>
    /// <param name="isIpv4">The outer family.</param>
    public VirtioNetHeader Tunnelled(int outerLength, bool isIpv4) => this with
    {
        GsoType = IsSuperPacket || IsToBeFragmented ? GsoType | (isIpv4 ? VirtioGsoType.TunnelIpv4 : VirtioGsoType.TunnelIpv6) : GsoType,
        HeaderLength = IsSuperPacket && !IsToBeFragmented ? (ushort)Math.Min(HeaderLength + outerLength, ushort.MaxValue) : HeaderLength,
        ChecksumStart = HasPartialChecksum ? (ushort)(ChecksumStart + outerLength) : ChecksumStart,
    };

    /// <summary>The same packet without its outer headers; a checksum of theirs is gone with them.</summary>
    public VirtioNetHeader Inner(int outerLength)
    {
        bool isInner = HasPartialChecksum && ChecksumStart >= outerLength;
        return this with
        {
            Flags = isInner ? Flags : Flags & ~VirtioNetFlags.NeedsChecksum,
            GsoType = GsoType & ~VirtioGsoType.TunnelOther,
            HeaderLength = IsToBeFragmented ? HeaderLength : (ushort)Math.Max(0, HeaderLength - outerLength), // Linux refuses one that is longer than the frame
            ChecksumStart = (ushort)(isInner ? ChecksumStart - outerLength : 0),
            ChecksumOffset = isInner ? ChecksumOffset : (ushort)0,
        };
    }

    /// <summary>The same packet, whose headers have become longer.</summary>
    public VirtioNetHeader MovedBy(int length) => this with
    {
        ChecksumStart = (ushort)(ChecksumStart + (HasPartialChecksum ? length : 0)),
        HeaderLength = (ushort)(HeaderLength + (IsSuperPacket ? length : 0)),
    };

    /// <summary>The header of a frame that comes in: what this program alone may say is not believed.</summary>
    /// <param name="bytes">At least <see cref="Length"/> bytes.</param>
    public static VirtioNetHeader ReadReceived(ReadOnlySpan<byte> bytes)
    {
        VirtioNetHeader header = Read(bytes);
        return header with { Flags = header.Flags & ~(VirtioNetFlags.Fragment | VirtioNetFlags.TunnelChecksum) };
    }

    /// <param name="bytes">At least <see cref="Length"/> bytes.</param>
    public static VirtioNetHeader Read(ReadOnlySpan<byte> bytes) => new(
        (VirtioNetFlags)bytes[0],
        (VirtioGsoType)bytes[1],
        BinaryPrimitives.ReadUInt16LittleEndian(bytes[2..]),
        BinaryPrimitives.ReadUInt16LittleEndian(bytes[4..]),
        BinaryPrimitives.ReadUInt16LittleEndian(bytes[6..]),
        BinaryPrimitives.ReadUInt16LittleEndian(bytes[8..]));

    /// <param name="destination">At least <see cref="Length"/> bytes; each is written.</param>
    public void WriteTo(Span<byte> destination)
    {
        destination[0] = (byte)Flags;
        destination[1] = (byte)GsoType;
        BinaryPrimitives.WriteUInt16LittleEndian(destination[2..], HeaderLength);
        BinaryPrimitives.WriteUInt16LittleEndian(destination[4..], SegmentLength);
        BinaryPrimitives.WriteUInt16LittleEndian(destination[6..], ChecksumStart);
        BinaryPrimitives.WriteUInt16LittleEndian(destination[8..], ChecksumOffset);
    }
}
