using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.Testing;

/// <summary>Random bulk packets: every flag, option and odd size that segmentation must get right.</summary>
public static class BulkSample
{
    /// <summary>A super-packet of 2 segments at least, and the payload bytes of its segments.</summary>
    public static (BulkPacket Packet, int SegmentLength) SuperPacket(Random random)
    {
        BulkPacket packet = Headers(random);

        // Linux cuts what is longer with its Ethernet header than gso_max_size allows, whatever the device takes.
        int mostPayload = 65_535 - packet.HeadersLength;
        int segmentLength = random.Next(4) switch
        {
            0 => random.Next(64, 200),
            1 => 1448,
            _ => random.Next(200, 9000),
        };

        // UDP_MAX_SEGMENTS of Linux; a TAP's reader gets no more either.
        int mostSegments = packet.IsTcp ? 400 : 64;
        int length = random.Next(4) switch
        {
            0 => segmentLength * random.Next(2, 20),
            1 => segmentLength + 1,
            _ => random.Next(segmentLength + 1, mostPayload),
        };
        return (packet with { Payload = Bytes(random, Math.Min(Math.Min(length, mostPayload), segmentLength * mostSegments)) }, segmentLength);
    }

    /// <summary>
    /// A burst of few flows that mostly go on as they began: each packet follows the last of its flow, or differs from that in one thing.
    /// </summary>
    /// <param name="hasOdd">Also packets that coalescing leaves alone, and ids that stay the same.</param>
    public static BulkPacket[] Burst(Random random, bool hasOdd)
    {
        BulkPacket[] flows = [.. Enumerable.Range(0, random.Next(1, 5)).Select(i => Headers(random, hasOdd && random.Next(8) == 0) with { Source = (byte)i, TcpOptions = Bytes(random, 12), Flags = TcpFlags.Ack })];
        int[] lengths = [.. flows.Select(_ => random.Next(3) == 0 ? 1448 : random.Next(1, 9000))];
        bool[] isFixed = [.. flows.Select(f => f.IsDontFragment && hasOdd && random.Next(4) == 0)];
        var burst = new BulkPacket[random.Next(2, 65)];
        for (int i = 0; i < burst.Length; i++)
        {
            int flow = random.Next(flows.Length);
            BulkPacket next = flows[flow] with { Payload = Bytes(random, lengths[flow]) };
            burst[i] = random.Next(8) == 0 ? Changed(random, next, hasOdd) : next;
            if (!next.IsTcp)
            {
                burst[i] = burst[i] with { Flags = TcpFlags.None, TcpOptions = [], Urgent = 0 };
            }

            // Some changes last, most do not.
            BulkPacket last = random.Next(4) == 0 ? burst[i] with { Flags = TcpFlags.Ack } : next;
            flows[flow] = last with
            {
                Sequence = last.Sequence + (uint)burst[i].Payload.Length,
                Id = (ushort)(last.Id + (isFixed[flow] ? 0 : 1)),
            };
        }

        return burst;
    }

    private static BulkPacket Changed(Random random, BulkPacket packet, bool hasOdd) => random.Next(hasOdd ? 18 : 13) switch
    {
        0 => packet with { Payload = packet.Payload[..random.Next(1, packet.Payload.Length + 1)] },
        1 => packet with { Payload = [.. packet.Payload, 1] },
        2 => packet with { Flags = packet.Flags | TcpFlags.Psh },
        3 => packet with { Flags = packet.Flags | TcpFlags.Fin },
        4 => packet with { Flags = packet.Flags | TcpFlags.Ece },
        5 => packet with { Acknowledgment = packet.Acknowledgment + 1 },
        6 => packet with { Window = (ushort)(packet.Window + 1) },
        7 => packet with { Sequence = packet.Sequence + 1 },
        8 => packet with { HopLimit = (byte)(packet.HopLimit ^ 1) },
        9 => packet with { TrafficClass = (byte)(packet.TrafficClass ^ 3) },
        10 => packet with { Id = (ushort)(packet.Id + (hasOdd ? 1 : 5)) },
        11 => packet with { TcpOptions = Bytes(random, packet.TcpOptions.Length) },
        12 => packet with { TcpOptions = [] },
        13 => packet with { Macs = [.. packet.Macs[..11], (byte)(packet.Macs[11] ^ 1)] },
        14 => packet with { Flags = packet.Flags | TcpFlags.Cwr },
        15 => packet with { Payload = [] },
        16 => packet with { Flags = packet.Flags | (random.Next(3) switch { 0 => TcpFlags.Syn, 1 => TcpFlags.Rst, _ => TcpFlags.Urg }) },
        _ => packet with { IsDontFragment = !packet.IsDontFragment },
    };

    /// <summary>Everything but the payload.</summary>
    public static BulkPacket Headers(Random random, bool withIpOptions = true)
    {
        Family family = random.Next(2) == 0 ? Family.Ipv4 : Family.Ipv6;
        bool isTcp = random.Next(3) > 0;
        bool hasIpOptions = withIpOptions && random.Next(4) == 0;
        return new BulkPacket
        {
            Family = family,
            IsTcp = isTcp,
            TrafficClass = (byte)random.Next(256),
            FlowLabel = random.Next(1 << 20),
            HopLimit = (byte)random.Next(2, 256),
            Id = (ushort)(random.Next(4) == 0 ? ushort.MaxValue - random.Next(10) : random.Next(65_536)),
            IsDontFragment = random.Next(2) == 0,
            IpOptions = !hasIpOptions ? [] : family == Family.Ipv4 ? Ipv4Options(random) : Ipv6Options(random),
            Sequence = random.Next(3) == 0 ? uint.MaxValue - (uint)random.Next(50_000) : (uint)random.NextInt64(uint.MaxValue),
            Acknowledgment = (uint)random.NextInt64(uint.MaxValue),
            Flags = !isTcp ? TcpFlags.None : TcpFlags.Ack | ((TcpFlags)random.Next(256) & (TcpFlags.Fin | TcpFlags.Psh | TcpFlags.Ece | TcpFlags.Cwr)),
            Window = (ushort)random.Next(65_536),
            TcpOptions = !isTcp ? [] : Bytes(random, random.Next(4) switch { 0 => 0, 1 => random.Next(11) * 4, _ => 12 }),
        };
    }

    public static byte[] Bytes(Random random, int length)
    {
        byte[] bytes = new byte[length];
        random.NextBytes(bytes);
        return bytes;
    }

    /// <summary>No operations (RFC 791 section 3.1) and, some, a router alert (RFC 2113).</summary>
    private static byte[] Ipv4Options(Random random)
    {
        byte[] options = new byte[random.Next(1, 11) * 4];
        Array.Fill<byte>(options, 1);
        if (random.Next(2) == 0)
        {
            ((ReadOnlySpan<byte>)[0x94, 4, 0, 0]).CopyTo(options);
        }

        return options;
    }

    /// <summary>Padding (RFC 8200 section 4.2) behind the two bytes that the packet writes itself.</summary>
    private static byte[] Ipv6Options(Random random)
    {
        byte[] options = new byte[random.Next(1, 5) * 8];
        options[2] = 1;
        options[3] = (byte)(options.Length - 4);
        return options;
    }
}
