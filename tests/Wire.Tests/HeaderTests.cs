using System.Buffers.Binary;
using ClusterMesh.Datapath.Testing;

namespace ClusterMesh.Datapath.Wire.Tests;

/// <summary>Header views: what they read is what the oracle wrote, what they write sets every byte, and lengths that lie are refused.</summary>
public sealed class HeaderTests
{
    private const byte Dirt = 0xA5;

    public static TheoryData<Family> Families => [Family.Ipv4, Family.Ipv6];

    [Theory]
    [MemberData(nameof(Families))]
    public void Ip_reads_what_the_oracle_wrote(Family family)
    {
        var m = new Mesh(family);
        TestPacket packet = TestPacket.Udp(m.CurlPod, 1, m.EastPod, 2) with { HopLimit = 17 };
        byte[] datagram = [.. packet.Datagram(), Dirt, Dirt];
        Assert.Equal(IpParseResult.Valid, IpHeader.Parse(datagram, quoted: false, out IpHeader ip));
        Assert.Equal((m.CurlPod, m.EastPod, IpProtocol.Udp, (byte)17), (ip.Source, ip.Destination, ip.Protocol, ip.HopLimit));
        Assert.Equal((m.IsIpv4 ? 20 : 40, datagram.Length - 2), (ip.HeaderLength, ip.TotalLength));
        Assert.True(ip.HasValidChecksum && !ip.IsFragment && ip.IsIpv4 == m.IsIpv4);
        ip.DecrementHopLimit();
        Assert.Empty(FrameText.Difference(datagram.AsSpan(0, datagram.Length - 2), packet.Hopped().Datagram()));
        ip.Source = m.EastPod;
        ip.Destination = m.CurlPod;
        Assert.Empty(FrameText.Difference(
            datagram.AsSpan(0, datagram.Length - 2), (packet.Hopped() with { Source = m.EastPod, Destination = m.CurlPod }).Datagram()));
    }

    [Theory]
    [MemberData(nameof(Families))]
    public void Fragments_say_where_they_lie(Family family)
    {
        var m = new Mesh(family);
        TestPacket whole = TestPacket.Udp(m.CurlPod, 1, m.EastPod, 2) with { Payload = new byte[3000], Id = 0xBEEF };
        Assert.Equal(IpParseResult.Valid, IpHeader.Parse(whole.Fragment(0, 1000).Datagram(), quoted: false, out IpHeader first));
        Assert.True(first is { FragmentOffset: 0, HasMoreFragments: true, IsFragment: true, FragmentId: 0xBEEF, Protocol: IpProtocol.Udp });
        Assert.Equal(IpParseResult.Valid, IpHeader.Parse(whole.Fragment(2000, 2000).Datagram(), quoted: false, out IpHeader last));
        Assert.True(last is { FragmentOffset: 2000, HasMoreFragments: false, IsFragment: true, FragmentId: 0xBEEF, Protocol: IpProtocol.Udp });
    }

    [Theory]
    [MemberData(nameof(Families))]
    public void A_cut_datagram_is_malformed_unless_quoted(Family family)
    {
        var m = new Mesh(family);
        byte[] datagram = TestPacket.Tcp(m.CurlPod, 1, m.EastPod, 2).Datagram();
        int header = m.IsIpv4 ? 20 : 40;
        for (int length = 0; length < datagram.Length; length++)
        {
            Assert.Equal(IpParseResult.Malformed, IpHeader.Parse(datagram.AsSpan(0, length), quoted: false, out _));
            IpParseResult quoted = IpHeader.Parse(datagram.AsSpan(0, length), quoted: true, out IpHeader ip);
            Assert.Equal(length < header ? IpParseResult.Malformed : IpParseResult.Valid, quoted);
            Assert.True(length < header || ip.TotalLength == datagram.Length);
        }
    }

    [Fact]
    public void Ipv4_lengths_that_lie_are_malformed()
    {
        var m = new Mesh(Family.Ipv4);
        byte[] datagram = (TestPacket.Udp(m.CurlPod, 1, m.EastPod, 2) with { Payload = new byte[100] }).Datagram();
        for (int words = 0; words < 16; words++)
        {
            byte[] lying = [.. datagram];
            lying[0] = (byte)(0x40 | words);
            Assert.Equal(words < 5 ? IpParseResult.Malformed : IpParseResult.Valid, IpHeader.Parse(lying, quoted: false, out _));
        }

        foreach (ushort total in (ushort[])[0, 19, (ushort)(datagram.Length + 1), 0xFFFF])
        {
            byte[] lying = [.. datagram];
            BinaryPrimitives.WriteUInt16BigEndian(lying.AsSpan(2), total);
            Assert.Equal(IpParseResult.Malformed, IpHeader.Parse(lying, quoted: false, out _));
        }

        foreach (int version in (int[])[0, 1, 5, 6, 7, 15])
        {
            byte[] lying = [.. datagram];
            lying[0] = (byte)(version << 4 | 5);
            Assert.NotEqual(IpParseResult.Valid, IpHeader.Parse(lying.AsSpan(0, 39), quoted: false, out _));
        }
    }

    [Fact]
    public void The_walk_over_extension_headers_ends_at_the_transport_or_in_an_error()
    {
        var m = new Mesh(Family.Ipv6);
        (byte Type, byte[] Bytes) hop = (0, [0, 0, 1, 4, 0, 0, 0, 0]);
        (byte Type, byte[] Bytes) routing = (43, [0, 2, .. new byte[22]]);
        (byte Type, byte[] Bytes) options = (60, [0, 1, 1, 12, .. new byte[12]]);
        (byte Type, byte[] Bytes) atomic = (44, [0, 0, 0, 0, 0, 0, 0, 1]);
        TestPacket bare = TestPacket.Udp(m.CurlPod, 1, m.EastPod, 2);
        Walks(bare with { Extensions = [hop] }, 48);
        Walks(bare with { Extensions = [hop, options, routing, atomic, options] }, 40 + 8 + 16 + 24 + 8 + 16);
        Walks(bare with { Extensions = [.. Enumerable.Repeat(options, 8)] }, 40 + (8 * 16));
        Refuses(bare with { Extensions = [.. Enumerable.Repeat(options, 9)] });
        Refuses(bare with { Extensions = [options, hop] });

        // Authentication counts in 4 bytes (RFC 4302), and a source route that has ends left is none to follow (RFC 5095); other types of routing are.
        (byte Type, byte[] Bytes) authentication = (51, [0, 4, .. new byte[22]]);
        Walks(bare with { Extensions = [hop, authentication, options] }, 40 + 8 + 24 + 16);
        Refuses(bare with { Extensions = [(51, [0, 0, .. new byte[6]])] });
        Refuses(bare with { Extensions = [(51, [0, 200, .. new byte[22]])] });
        Refuses(bare with { Extensions = [(43, [0, 2, 0, 1, .. new byte[20]])] });
        Walks(bare with { Extensions = [(43, [0, 2, 4, 1, .. new byte[20]])] }, 40 + 24);

        // RFC 8200 section 4.7: nothing follows.
        Refuses(bare with { Protocol = IpProtocol.NoNext });
        Refuses(bare with { Protocol = IpProtocol.NoNext, Extensions = [hop, atomic] });
        Refuses(bare with { Extensions = [(60, [0, 255, 1, 4, 0, 0, 0, 0])] });

        byte[] cut = (bare with { Extensions = [hop, routing], Payload = [] }).Datagram();
        for (int length = 41; length < 40 + 8 + 24; length++)
        {
            byte[] datagram = cut[..length];
            BinaryPrimitives.WriteUInt16BigEndian(datagram.AsSpan(4), (ushort)(length - 40));
            Assert.Equal(IpParseResult.BadExtensionHeader, IpHeader.Parse(datagram, quoted: false, out _));
        }
    }

    [Fact]
    public void Mapped_addresses_are_refused_on_the_wire()
    {
        var m = new Mesh(Family.Ipv6);
        foreach (int at in (int[])[8, 24])
        {
            byte[] datagram = TestPacket.Udp(m.CurlPod, 1, m.EastPod, 2).Datagram();
            IpAddress.Parse("10.0.1.105").WriteTo(datagram.AsSpan(at, 16));
            Assert.Equal(IpParseResult.Malformed, IpHeader.Parse(datagram, quoted: false, out _));
            Assert.Equal(IpParseResult.Malformed, IpHeader.Parse(datagram, quoted: true, out _));
        }
    }

    [Fact]
    public void Arp_and_neighbour_messages_are_the_oracles_even_in_a_dirty_buffer()
    {
        foreach (Family family in Enum.GetValues<Family>())
        {
            var m = new Mesh(family);
            MacAddress mac = TestNode.MacOf(m.Neighbor);
            byte[] wanted = NeighborFrames.Request(m.Neighbor, mac, m.Node);
            byte[] buffer = new byte[128];
            buffer.AsSpan().Fill(Dirt);
            EthernetHeader ethernet = EthernetHeader.Of(buffer);
            ethernet.Destination = m.IsIpv4 ? MacAddress.Broadcast : MacAddress.ForMulticast(NeighborMessage.SolicitedNode(m.Node));
            ethernet.Source = mac;
            ethernet.Type = m.IsIpv4 ? EtherType.Arp : EtherType.Ipv6;
            int length;
            if (m.IsIpv4)
            {
                ArpPacket.Write(buffer.AsSpan(14), ArpOperation.Request, mac, m.Neighbor, default, m.Node);
                length = ArpPacket.Length;
                Assert.True(ArpPacket.TryParse(buffer.AsSpan(14), out ArpPacket arp));
                Assert.Equal((ArpOperation.Request, mac, m.Neighbor, m.Node, default), (arp.Operation, arp.SenderMac, arp.SenderIp, arp.TargetIp, arp.TargetMac));
            }
            else
            {
                length = NeighborMessage.Write(
                    buffer.AsSpan(14), NeighborMessage.Solicitation, m.Neighbor, NeighborMessage.SolicitedNode(m.Node), m.Node, mac);
                Assert.True(NeighborMessage.TryParse(buffer.AsSpan(54, 32), out NeighborMessage message));
                Assert.True(message.Type == NeighborMessage.Solicitation && message.Target == m.Node && message.LinkLayer == mac);
            }

            Assert.Empty(FrameText.Difference(buffer.AsSpan(0, 14 + length), wanted));
            Assert.Equal(-1, buffer.AsSpan(14 + length).IndexOfAnyExcept(Dirt));
        }
    }

    [Fact]
    public void Neighbour_options_that_lie_are_refused()
    {
        byte[] message = new byte[48];
        message[0] = NeighborMessage.Solicitation;
        message[24] = 14;
        message[25] = 1;
        message[32] = 1;
        message[33] = 1;
        Assert.True(NeighborMessage.TryParse(message.AsSpan(0, 40), out _));
        foreach (int length in (int[])[0, 8, 23, 25, 31, 33, 39])
        {
            Assert.False(NeighborMessage.TryParse(message.AsSpan(0, length), out _));
        }

        message[25] = 0;
        Assert.False(NeighborMessage.TryParse(message.AsSpan(0, 40), out _));
        message[25] = 255;
        Assert.False(NeighborMessage.TryParse(message.AsSpan(0, 40), out _));
    }

    [Fact]
    public void A_virtio_header_is_ten_bytes_in_little_endian()
    {
        var header = new VirtioNetHeader(VirtioNetFlags.NeedsChecksum, VirtioGsoType.Tcp6 | VirtioGsoType.Ecn, 0x0102, 0x0304, 0x0506, 0x0708);
        byte[] buffer = new byte[12];
        buffer.AsSpan().Fill(Dirt);
        header.WriteTo(buffer);
        Assert.Equal([1, 0x84, 2, 1, 4, 3, 6, 5, 8, 7, Dirt, Dirt], buffer);
        Assert.Equal(header, VirtioNetHeader.Read(buffer));
        Assert.True(header.IsSuperPacket && header.HasPartialChecksum);
        Assert.False((header with { GsoType = VirtioGsoType.Ecn }).IsSuperPacket);
        Assert.False(default(VirtioNetHeader).HasPartialChecksum);
    }

    [Theory]
    [InlineData("02:00:0a:00:01:69", true)]
    [InlineData("FF:ff:ff:ff:ff:ff", true)]
    [InlineData("02:00:0a:00:01", false)]
    [InlineData("02:00:0a:00:01:6", false)]
    [InlineData("02-00-0a-00-01-69", false)]
    [InlineData("02:00:0a:00:01:+9", false)]
    [InlineData("", false)]
    [InlineData(null, false)]
    public void A_MAC_address_is_six_hexadecimal_pairs(string? text, bool isValid)
    {
        Assert.Equal(isValid, MacAddress.TryParse(text, out MacAddress mac));
        if (isValid)
        {
            Assert.Equal(text, mac.ToString(), ignoreCase: true);
            byte[] bytes = new byte[6];
            mac.WriteTo(bytes);
            Assert.Equal(mac, MacAddress.FromBytes(bytes));
            Assert.Equal(bytes[0] % 2 != 0, mac.IsGroup);
        }
    }

    private static void Walks(TestPacket packet, int headerLength)
    {
        byte[] datagram = packet.Datagram();
        Assert.Equal(IpParseResult.Valid, IpHeader.Parse(datagram, quoted: false, out IpHeader ip));
        Assert.Equal((headerLength, IpProtocol.Udp, datagram.Length), (ip.HeaderLength, ip.Protocol, ip.TotalLength));
    }

    private static void Refuses(TestPacket packet) =>
        Assert.Equal(IpParseResult.BadExtensionHeader, IpHeader.Parse(packet.Datagram(), quoted: false, out _));
}
