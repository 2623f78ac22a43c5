using System.Buffers.Binary;

namespace ClusterMesh.Datapath.Wire;

/// <summary>
/// The longer header of a TAP that takes super-packets behind outer headers whole (virtio_net_hdr_v1_hash_tunnel of linux/virtio_net.h, virtio 1.4 section
/// 5.1.6; Linux 6.17): a <see cref="VirtioNetHeader"/>, a count and a hash that nobody here reads, and where the outer UDP and the inner IP header begin.
/// </summary>
public static class VirtioTunnelHeader
{
    /// <summary>Bytes in front of each frame of such a TAP.</summary>
    public const int Length = 24;

    private const int OuterTransportOffset = 20;
    private const int InnerNetworkOffset = 22;

    /// <param name="header">At least <see cref="Length"/> bytes; each is written.</param>
    /// <param name="frame">Behind the header. One that is tunnelled has outer headers of <see cref="OuterHeaders"/>.</param>
    public static void Write(Span<byte> header, ReadOnlySpan<byte> frame, in VirtioNetHeader offload)
    {
        header[VirtioNetHeader.Length..Length].Clear();
        offload.WriteTo(header);
        if (!offload.IsTunnelled)
        {
            return;
        }

        bool isIpv4 = (offload.GsoType & VirtioGsoType.TunnelIpv4) != 0;
        int outerLength = OuterHeaders.LengthOf(isIpv4);
        header[0] |= (byte)(OuterHeaders.HasChecksum(frame) ? VirtioNetFlags.TunnelChecksum : VirtioNetFlags.None);
        BinaryPrimitives.WriteUInt16LittleEndian(header[OuterTransportOffset..], (ushort)OuterHeaders.UdpOffset(isIpv4));
        BinaryPrimitives.WriteUInt16LittleEndian(header[InnerNetworkOffset..], (ushort)(outerLength + EthernetHeader.Length));
    }

    /// <summary>
    /// The header of a frame that comes in. A super-packet in a tunnel of another build (options in its headers, no inner Ethernet) comes out as one of neither
    /// family, which nobody takes or can cut.
    /// </summary>
    /// <param name="header">At least <see cref="Length"/> bytes.</param>
    public static VirtioNetHeader ReadReceived(ReadOnlySpan<byte> header, ReadOnlySpan<byte> frame)
    {
        VirtioNetHeader offload = VirtioNetHeader.ReadReceived(header);
        if (!offload.IsTunnelled)
        {
            return offload;
        }

        int outerLength = OuterHeaders.LengthIn(frame);
        bool isIpv4 = outerLength == OuterHeaders.Ipv4Length;
        bool isOurs = outerLength > 0
            && (offload.GsoType & VirtioGsoType.TunnelOther) == (isIpv4 ? VirtioGsoType.TunnelIpv4 : VirtioGsoType.TunnelIpv6)
            && BinaryPrimitives.ReadUInt16LittleEndian(header[OuterTransportOffset..]) == OuterHeaders.UdpOffset(isIpv4)
            && BinaryPrimitives.ReadUInt16LittleEndian(header[InnerNetworkOffset..]) == outerLength + EthernetHeader.Length;
        return isOurs ? offload : offload with { GsoType = offload.GsoType | VirtioGsoType.TunnelOther };
    }
}
