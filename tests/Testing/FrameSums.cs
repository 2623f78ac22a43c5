using System.Buffers.Binary;

namespace ClusterMesh.Datapath.Testing;

/// <summary>Makes the checksums of a frame that was hurt right again, so that it is let further in.</summary>
public static class FrameSums
{
    /// <summary>Changes nothing in what is no IP.</summary>
    public static void Mend(byte[] frame)
    {
        FrameCheck check = FrameCheck.Of(frame);
        if (!check.IsIp)
        {
            return;
        }

        if (check.IsIpv4)
        {
            int length = (frame[14] & 15) * 4;
            BinaryPrimitives.WriteUInt16BigEndian(frame.AsSpan(24), 0);
            BinaryPrimitives.WriteUInt16BigEndian(frame.AsSpan(24), (ushort)~NaiveChecksum.Sum(frame.AsSpan(14, length)));
        }

        if (check.Transport != ChecksumState.Invalid)
        {
            return;
        }

        // The sum as it is says by how much the field is off.
        int at = check.TransportStart + (check.Protocol switch { 6 => 16, 17 => 6, _ => 2 });
        int total = check.IsIpv4 ? BinaryPrimitives.ReadUInt16BigEndian(frame.AsSpan(16)) : 40 + BinaryPrimitives.ReadUInt16BigEndian(frame.AsSpan(18));
        int end = check.Protocol == 17 ? check.TransportStart + BinaryPrimitives.ReadUInt16BigEndian(frame.AsSpan(check.TransportStart + 4)) : 14 + total;
        BinaryPrimitives.WriteUInt16BigEndian(frame.AsSpan(at), 0);
        uint pseudo = check.Protocol == 1
            ? 0u
            : NaiveChecksum.PseudoHeader(check.IsIpv4 ? frame.AsSpan(26, 8) : frame.AsSpan(22, 32), check.Protocol, end - check.TransportStart);
        ushort sum = (ushort)~NaiveChecksum.Sum(frame.AsSpan(check.TransportStart..end), pseudo);
        BinaryPrimitives.WriteUInt16BigEndian(frame.AsSpan(at), sum == 0 ? ushort.MaxValue : sum);
    }
}
