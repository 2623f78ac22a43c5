namespace ClusterMesh.Datapath.Testing;

/// <summary>The Internet checksum as RFC 1071 section 1 puts it, a word at a time: what the fast code is held against.</summary>
public static class NaiveChecksum
{
    /// <summary>The folded sum, not complemented.</summary>
    public static ushort Sum(ReadOnlySpan<byte> bytes, uint initial = 0)
    {
        ulong sum = initial;
        for (int i = 0; i < bytes.Length; i++)
        {
            sum += i % 2 == 0 ? (ulong)bytes[i] << 8 : bytes[i];
        }

        while (sum > 0xFFFF)
        {
            sum = (sum >> 16) + (sum & 0xFFFF);
        }

        return (ushort)sum;
    }

    /// <summary>The sum of the pseudo-header of a datagram whose addresses take <paramref name="addresses"/>.</summary>
    public static ushort PseudoHeader(ReadOnlySpan<byte> addresses, byte protocol, int length) =>
        Sum(addresses, Sum([(byte)(length >> 24), (byte)(length >> 16), (byte)(length >> 8), (byte)length, 0, 0, 0, protocol]));
}
