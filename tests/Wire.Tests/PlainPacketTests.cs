namespace ClusterMesh.Datapath.Wire.Tests;

/// <summary>PlainPacket takes a part of what the full parser takes, reads the same out of it, and leaves the rest alone.</summary>
public sealed class PlainPacketTests
{
    private const int Count = 300_000;

    /// <summary>Options of zeros leave the header's sum as it is without them.</summary>
    [Theory]
    [InlineData(0x45, true)]
    [InlineData(0x46, false)]
    [InlineData(0x4F, false)]
    public void Options_are_not_plain(byte first, bool isPlain)
    {
        byte[] datagram = Tcp(optionsLength: ((first & 15) * 4) - 20);
        Assert.Equal(isPlain, IsPlain(datagram));
        Assert.Equal(IpParseResult.Valid, IpHeader.Parse(datagram, quoted: false, out IpHeader ip));
        Assert.True(ip.HasValidChecksum);
    }

    [Fact]
    public void What_is_plain_is_what_the_full_parser_reads()
    {
        const int Seed = 77;
        var random = new Random(Seed);
        int plain = 0;
        for (int i = 0; i < Count; i++)
        {
            byte[] datagram = random.Next(2) == 0 ? Tcp(random.Next(3) * 4) : Udp6();
            int changes = random.Next(3);
            for (int change = 0; change < changes; change++)
            {
                datagram[random.Next(datagram.Length)] = (byte)(random.Next(3) == 0 ? random.Next(256) : random.Next(8));
            }

            Mend(datagram);
            datagram = datagram[..Math.Max(0, datagram.Length - random.Next(2) * random.Next(20))];
            PlainPacket packet = default;
            if (!PlainPacket.TryParse(datagram, random.Next(2) == 0 ? EtherType.Ipv4 : EtherType.Ipv6, ref packet))
            {
                continue;
            }

            plain++;
            string where = $"seed {Seed}, {i}: {Convert.ToHexString(datagram)}";
            Assert.True(IpHeader.Parse(datagram, quoted: false, out IpHeader ip) == IpParseResult.Valid && ip.HasValidChecksum && !ip.IsFragment, where);
            Assert.True(TransportHeader.TryParse(datagram.AsSpan()[ip.HeaderLength..ip.TotalLength], ip.Protocol, fragment: false, out TransportHeader transport), where);
            Assert.True(packet.Key == new FlowKey(ip.Source, ip.Destination, transport.SourcePort, transport.DestinationPort, ip.Protocol), where);
            Assert.True(packet.Length == ip.TotalLength && packet.TransportOffset == ip.HeaderLength && packet.HopLimit == ip.HopLimit, where);
            Assert.True(packet.TransportHeaderLength == transport.HeaderLength, where);
            Assert.True(packet.TcpFlags == (ip.Protocol == IpProtocol.Tcp ? transport.Flags : TcpFlags.None), where);
            Assert.True((packet.TcpFlags & (TcpFlags.Syn | TcpFlags.Fin | TcpFlags.Rst)) == 0, where);
        }

        Assert.True(plain > Count / 10, $"{plain} of {Count} were plain");
    }

    private static bool IsPlain(byte[] datagram)
    {
        PlainPacket packet = default;
        return PlainPacket.TryParse(datagram, EtherType.Ipv4, ref packet);
    }

    private static byte[] Tcp(int optionsLength)
    {
        byte[] bytes = new byte[20 + optionsLength + 20 + 8];
        bytes[0] = (byte)(0x45 + (optionsLength / 4));
        bytes[3] = (byte)bytes.Length;
        bytes[8] = 64;
        bytes[9] = (byte)IpProtocol.Tcp;
        new byte[] { 10, 0, 1, 105, 10, 2, 164, 148 }.CopyTo(bytes, 12);
        bytes[20 + optionsLength + 1] = 1;
        bytes[20 + optionsLength + 3] = 80;
        bytes[20 + optionsLength + 12] = 0x50;
        bytes[20 + optionsLength + 13] = (byte)TcpFlags.Ack;
        if (optionsLength > 12)
        {
            bytes[20 + 12] = 0x50; // What lies where a header without options would end could pass for TCP.
        }

        Mend(bytes);
        return bytes;
    }

    private static byte[] Udp6()
    {
        byte[] bytes = new byte[40 + 8 + 8];
        bytes[0] = 0x60;
        bytes[5] = 16;
        bytes[6] = (byte)IpProtocol.Udp;
        bytes[7] = 64;
        IpAddress.Parse("fd00:10::1").WriteTo(bytes.AsSpan(8, 16));
        IpAddress.Parse("fd00:10::2").WriteTo(bytes.AsSpan(24, 16));
        bytes[45] = 16;
        return bytes;
    }

    /// <summary>Makes the IPv4 header's sum right, so that other faults are met.</summary>
    private static void Mend(byte[] datagram)
    {
        int length = (datagram[0] & 15) * 4;
        if (datagram[0] >> 4 == 4 && length >= 20 && length <= datagram.Length)
        {
            datagram.AsSpan(10, 2).Clear();
            ushort sum = InternetChecksum.Compute(datagram.AsSpan(0, length));
            datagram[10] = (byte)(sum >> 8);
            datagram[11] = (byte)sum;
        }
    }
}
