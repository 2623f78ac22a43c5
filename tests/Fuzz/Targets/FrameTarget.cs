using ClusterMesh.Datapath.Pipeline;
using ClusterMesh.Datapath.Replay;
using ClusterMesh.Datapath.State.Desired;
using ClusterMesh.Datapath.Testing;
using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.Fuzz.Targets;

/// <summary>
/// A frame with its virtio header to everything that reads frames: one byte (1 mends the sums, 2 by the uplink, 4 early fragments are held, 8 the outer
/// family is IPv6), ten of the virtio header, the frame. What the readers find is compared with <see cref="FrameCheck"/>, which shares no code with them.
/// </summary>
internal sealed class FrameTarget : FuzzTarget
{
    private const int TableLength = 16;
    private static readonly MonoTime s_now = MonoTime.FromSeconds(1000);

    private readonly TestNode[] _nodes = [Node(isIpv4: true), Node(isIpv4: false)];
    private readonly byte[] _buffer = new byte[PacketContext.BufferLength];

    public override string Name => "frame";

    public override void Run(ReadOnlySpan<byte> input)
    {
        var reader = new InputReader(input);
        byte options = reader.Byte();
        VirtioNetHeader offload = reader.Offload();
        byte[] frame = reader.Bytes(EthernetHeader.Length + ushort.MaxValue).ToArray();
        if ((options & 1) != 0)
        {
            FrameSums.Mend(frame);
        }

        TestNode node = _nodes[options >> 3 & 1];
        ReadHeaders(frame);
        ReadSegment(frame, offload);
        ReadTunnel(node, frame, offload);
        FrameTuple.Read(frame);
        Parse(node, (options & 2) != 0 ? TestNode.Uplink : TestNode.Curl, frame, offload, (options & 4) != 0 ? FragmentMode.Hold : FragmentMode.Follow);
    }

    public override IEnumerable<(string Name, byte[] Bytes)> Seeds()
    {
        var node = new TestNode(workerCount: 1);
        foreach ((int i, SeedFrame seed) in SeedFrame.All(node).Index())
        {
            // Each third: the pipeline's seeds are all of them.
            if (i % 3 == 0)
            {
                yield return ($"frame-{i:d3}", Input((byte)(seed.Port == TestNode.Uplink ? 2 : 0), seed.Offload, seed.Bytes));
            }
        }

        foreach (Family outer in Enum.GetValues<Family>())
        {
            foreach (Family family in Enum.GetValues<Family>())
            {
                byte[] frame = PipelineSeeds.Tunnelled(outer, new TestMesh(family), m => TestPacket.Udp(m.EastPod, 53, m.CurlPod, 40000));
                yield return ($"tunnel-{outer}-{family}".ToLowerInvariant(), Input((byte)(outer == Family.Ipv4 ? 2 : 10), default, frame));
            }
        }
    }

    private static byte[] Input(byte options, VirtioNetHeader offload, byte[] frame)
    {
        byte[] header = new byte[VirtioNetHeader.Length];
        offload.WriteTo(header);
        return [options, .. header, .. frame];
    }

    private static TestNode Node(bool isIpv4) => new(workerCount: 1, local: l => l with { Tunnel = new TunnelSpec(TunnelFrames.Port, isIpv4, !isIpv4, InheritsDscp: false) });

    private static void ReadHeaders(byte[] frame)
    {
        FrameCheck check = FrameCheck.Of(frame);
        if (!EthernetHeader.TryParse(frame, out EthernetHeader ethernet))
        {
            FuzzFinding.Unless(frame.Length < EthernetHeader.Length, "an Ethernet header was not read");
            return;
        }

        Span<byte> datagram = frame.AsSpan(EthernetHeader.Length);
        if (ethernet.Type == EtherType.Arp && ArpPacket.TryParse(datagram, out ArpPacket arp))
        {
            _ = $"{arp.Operation} {arp.SenderIp} {arp.SenderMac} {arp.TargetIp} {arp.TargetMac}";
        }

        _ = NeighborMessage.TryParse(datagram, out _);
        IpParseResult result = IpHeader.Parse(datagram, quoted: false, out IpHeader ip);
        bool isTyped = result == IpParseResult.Valid && ethernet.Type == (ip.IsIpv4 ? EtherType.Ipv4 : EtherType.Ipv6);
        if (isTyped)
        {
            FuzzFinding.Unless(ip.HeaderLength <= ip.TotalLength && ip.TotalLength <= datagram.Length, $"a datagram of {ip.TotalLength} with a header of {ip.HeaderLength} in {datagram.Length} bytes");
            FuzzFinding.Unless(!check.IsIp || (check.IsIpv4 == ip.IsIpv4 && check.HasValidHeader == ip.HasValidChecksum && check.HopLimit == ip.HopLimit), "another header than the naive reader finds");
            FuzzFinding.Unless(!check.IsIp || check.TransportStart > EthernetHeader.Length + ip.HeaderLength || check.Protocol == (byte)ip.Protocol || ip.IsFragment, "another transport than the naive reader finds");
            ReadTransport(datagram[ip.HeaderLength..ip.TotalLength], ip);
            DsrOption.TryRead(datagram, ip.IsIpv4, ip.HeaderLength, out _, out _);
        }

        PlainPacket plain = default;
        if (PlainPacket.TryParse(datagram, ethernet.Type, ref plain))
        {
            FuzzFinding.Unless(isTyped && plain.Length == ip.TotalLength && plain.TransportOffset == ip.HeaderLength && plain.HopLimit == ip.HopLimit, "the short reader finds another packet than the long one");
            FuzzFinding.Unless((plain.Key.Source, plain.Key.Destination, plain.Key.Protocol) == (ip.Source, ip.Destination, ip.Protocol), "the short reader finds another flow");
            FuzzFinding.Unless(plain.TransportOffset + plain.TransportHeaderLength <= plain.Length, "the short reader finds a header beyond the packet");
        }

        IpHeader.Parse(datagram, quoted: true, out _);
    }

    private static void ReadTransport(Span<byte> segment, IpHeader ip)
    {
        if (TransportHeader.IsKnown(ip.Protocol) && ip.FragmentOffset == 0)
        {
            if (TransportHeader.TryParse(segment, ip.Protocol, ip.HasMoreFragments, out TransportHeader transport))
            {
                FuzzFinding.Unless(transport.HeaderLength <= segment.Length, "a transport header beyond the datagram");
                _ = transport.IsIcmp ? transport.EchoId : transport.SourcePort + transport.DestinationPort;
                _ = transport.HasChecksum ? transport.Checksum : 0;
            }

            if (TransportHeader.TryParseQuoted(segment, ip.Protocol, out TransportHeader quoted))
            {
                _ = quoted.SourcePort + (quoted.HasChecksum ? quoted.Checksum : 0);
            }
        }
    }

    private static void ReadSegment(byte[] frame, in VirtioNetHeader offload)
    {
        FrameCheck check = FrameCheck.Of(frame);
        if (SegmentHeaders.TryParse(frame, out SegmentHeaders headers))
        {
            FuzzFinding.Unless(headers.PayloadLength >= 0 && headers.Length + headers.Payload.Length == frame.Length, "a segment longer than its frame");
            FuzzFinding.Unless(!check.IsIp || check.TransportStart == headers.TransportOffset, "the transport of a segment is elsewhere");
            bool isJudged = check.Transport is ChecksumState.Valid or ChecksumState.Invalid;
            FuzzFinding.Unless(!check.IsIp || !isJudged || headers.HasValidChecksum == (check.Transport == ChecksumState.Valid), "another checksum than the naive reader's");
            _ = headers.Hash;
        }

        byte[] completed = [.. frame];
        InternetChecksum.TryComplete(completed, offload.ChecksumStart, offload.ChecksumOffset, zero: ushort.MaxValue);
    }

    private static void ReadTunnel(TestNode node, byte[] frame, in VirtioNetHeader offload)
    {
        int outerLength = OuterHeaders.LengthIn(frame);
        FuzzFinding.Unless(outerLength <= frame.Length, "outer headers beyond the frame");
        DropReason reason = Decapsulation.Read(frame, offload, node.State.Current.Tunnels!, out int length, out int end, out _);
        FuzzFinding.Unless(reason != DropReason.None || length == 0 || (length < end && end <= frame.Length), $"an inner frame from {length} to {end} of {frame.Length}");
    }

    private void Parse(TestNode node, string port, byte[] frame, in VirtioNetHeader offload, FragmentMode mode)
    {
        var outbox = new Outbox(4);
        var neighbors = new NeighborTable(TableLength, outbox, seed: 1);
        var fragments = new FragmentTable(TableLength, seed: 1, mode);
        _buffer.AsSpan(0, PacketContext.Headroom).Clear();
        frame.CopyTo(_buffer, PacketContext.Headroom);
        var received = new BurstFrame { Start = PacketContext.Headroom, Length = frame.Length, Offload = offload, IngressPort = node.State.Ports[port].Id };
        Decapsulation.Run(_buffer, ref received, node.State.Current);
        FuzzFinding.Unless(received.Start >= 0 && received.Length >= 0 && received.Start + received.Length <= PacketContext.Headroom + frame.Length, "what was unwrapped lies beside the frame");
        for (int round = 0; round < 2; round++)
        {
            // The second time what the first one remembered is there.
            var p = new PacketContext(_buffer, received.Start, received.Length, received.Offload, received.IngressPort) { Tunnel = received.Tunnel };
            Verdict verdict = ParseStage.Run(ref p, node.State.Current.Ports, neighbors, fragments, s_now);
            FuzzFinding.Unless(p.FrameStart >= 0 && p.FrameLength <= Math.Max(received.Length, 90), "the frame has become longer");
            FuzzFinding.Unless(verdict != Verdict.Drop || p.Reason != DropReason.None, "dropped without a reason");
        }
    }
}
