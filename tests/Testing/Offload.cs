using System.Buffers.Binary;
using ClusterMesh.Datapath.Pipeline;
using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.Testing;

/// <summary>What a network card and its driver do with checksums: leave one partial on sending, complete it on the wire.</summary>
public static class Offload
{
    private const int EthernetLength = 14;

    /// <summary>Takes the whole checksum out of a TCP or UDP frame without options and leaves the pseudo-header's sum, as a stack does.</summary>
    public static VirtioNetHeader MakePartial(Span<byte> frame, VirtioGsoType gsoType = VirtioGsoType.None, ushort segmentLength = 0, ushort headerLength = 0)
    {
        bool isIpv4 = frame[EthernetLength] >> 4 == 4;
        int start = EthernetLength + (isIpv4 ? 20 : 40);
        byte protocol = frame[isIpv4 ? 23 : 20];
        int offset = protocol == 6 ? 16 : 6;
        Span<byte> addresses = isIpv4 ? frame.Slice(26, 8) : frame.Slice(22, 32);
        BinaryPrimitives.WriteUInt16BigEndian(frame[(start + offset)..], NaiveChecksum.PseudoHeader(addresses, protocol, frame.Length - start));
        return new VirtioNetHeader(VirtioNetFlags.NeedsChecksum, gsoType, headerLength, segmentLength, (ushort)start, (ushort)offset);
    }

    /// <summary>The frames that the last step before a device without offloads makes of a packet.</summary>
    public static List<byte[]> Cut(byte[] frame, in VirtioNetHeader offload)
    {
        byte[] packet = [.. new byte[VirtioNetHeader.Length], .. frame];
        offload.WriteTo(packet);
        byte[] scratch = new byte[packet.Length];
        byte[] piece = new byte[packet.Length];
        List<byte[]> frames = [];
        var cutter = new FrameCutter(packet, TapOffloads.None, scratch);
        while (cutter.TryNext(piece, out int length))
        {
            frames.Add(piece[VirtioNetHeader.Length..length]);
        }

        return frames;
    }

    /// <summary>Completes a partial checksum, as the last card does: the sum from the start on, complemented, into its field.</summary>
    public static byte[] Complete(byte[] frame, in VirtioNetHeader offload)
    {
        if ((offload.Flags & VirtioNetFlags.NeedsChecksum) == 0)
        {
            return frame;
        }

        byte[] completed = [.. frame];
        int start = offload.ChecksumStart;
        ushort sum = (ushort)~NaiveChecksum.Sum(completed.AsSpan(start));
        bool isUdp = offload.ChecksumOffset == 6;
        BinaryPrimitives.WriteUInt16BigEndian(completed.AsSpan(start + offload.ChecksumOffset), sum == 0 && isUdp ? ushort.MaxValue : sum);
        return completed;
    }
}
