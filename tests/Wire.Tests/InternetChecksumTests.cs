using ClusterMesh.Datapath.Testing;

namespace ClusterMesh.Datapath.Wire.Tests;

/// <summary>The fast sum against the naive one.</summary>
public sealed class InternetChecksumTests
{
    private const int LongestFrame = 9001;

    [Fact]
    public void Sum_is_the_naive_sum_for_every_length_and_alignment()
    {
        byte[] bytes = new byte[LongestFrame + 8];
        new Random(301).NextBytes(bytes);
        for (int length = 0; length <= LongestFrame; length++)
        {
            ReadOnlySpan<byte> part = bytes.AsSpan(length % 8, length);
            Assert.True(InternetChecksum.Sum(part) == NaiveChecksum.Sum(part), $"{length} bytes");
            Assert.True(InternetChecksum.Compute(part) == (ushort)~NaiveChecksum.Sum(part), $"{length} bytes");
        }
    }

    [Theory]
    [InlineData(0x00)]
    [InlineData(0xFF)]
    public void Carries_are_kept(byte value)
    {
        byte[] bytes = new byte[65535];
        Array.Fill(bytes, value);
        foreach (int length in (int[])[0, 1, 2, 3, 7, 8, 9, 15, 16, 17, 20, 40, 60, 1500, 65534, 65535])
        {
            foreach (uint initial in (uint[])[0, 1, 0xFFFF, 0x1_0000, 0xFFFF_FFFF])
            {
                Assert.True(InternetChecksum.Sum(bytes.AsSpan(0, length), initial) == NaiveChecksum.Sum(bytes.AsSpan(0, length), initial), $"{length} bytes from {initial}");
            }
        }
    }

    /// <summary>RFC 1071 section 3: 00 01 f2 03 f4 f5 f6 f7 sums to ddf2.</summary>
    [Fact]
    public void The_example_of_the_RFC_holds() => Assert.Equal(0xDDF2, InternetChecksum.Sum([0x00, 0x01, 0xF2, 0x03, 0xF4, 0xF5, 0xF6, 0xF7]));

    [Theory]
    [InlineData("10.0.1.105", "10.1.1.2")]
    [InlineData("fd00:10:0:1::105", "fd00:10:1:1::2")]
    public void Pseudo_headers_are_those_of_the_family(string from, string to)
    {
        IpAddress source = IpAddress.Parse(from);
        IpAddress destination = IpAddress.Parse(to);
        byte[] addresses = new byte[source.IsIpv4 ? 8 : 32];
        source.WriteTo(addresses.AsSpan(0, addresses.Length / 2));
        destination.WriteTo(addresses.AsSpan(addresses.Length / 2));
        foreach (int length in (int[])[0, 8, 20, 1480, 65515, 70000])
        {
            Assert.Equal(NaiveChecksum.PseudoHeader(addresses, 6, length), InternetChecksum.PseudoHeader(source, destination, IpProtocol.Tcp, length));
        }
    }

    [Fact]
    public void Transport_checksums_are_the_oracles()
    {
        foreach (Family family in Enum.GetValues<Family>())
        {
            var m = new Mesh(family);
            foreach (TestPacket packet in (TestPacket[])[TestPacket.Tcp(m.CurlPod, 1, m.EastPod, 2), TestPacket.Udp(m.CurlPod, 1, m.EastPod, 2) with { Payload = [1, 2, 3] }])
            {
                byte[] segment = packet.Transport();
                Assert.Equal(0, InternetChecksum.ComputeTransport(packet.Source, packet.Destination, packet.Protocol, segment));
                int at = packet.Protocol == IpProtocol.Tcp ? 16 : 6;
                ushort wanted = (ushort)(segment[at] << 8 | segment[at + 1]);
                segment[at] = 0;
                segment[at + 1] = 0;
                Assert.Equal(wanted, InternetChecksum.ComputeTransport(packet.Source, packet.Destination, packet.Protocol, segment));
            }
        }
    }
}
