using ClusterMesh.Datapath.Pipeline;
using ClusterMesh.Datapath.Testing;
using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.Fuzz.Targets;

/// <summary>
/// Cutting and joining. One byte of options (1 mends the sums, 2 joins a burst, else cuts one packet; 4 the port takes all offloads, 8 checksums only; 16 to be
/// fragmented). To cut: virtio header and frame. To join: frames, each an offset and a length into the ones before or bytes of its own.
/// </summary>
internal sealed class SegmentsTarget : FuzzTarget
{
    private const int MostFrames = 32;
    private readonly byte[] _piece = new byte[VirtioNetHeader.Length + PacketContext.BufferLength];
    private readonly byte[] _scratch = new byte[VirtioNetHeader.Length + PacketContext.BufferLength];

    public override string Name => "segments";

    public override void Run(ReadOnlySpan<byte> input)
    {
        var reader = new InputReader(input);
        byte options = reader.Byte();
        if ((options & 2) != 0)
        {
            Join(ref reader, isMended: (options & 1) != 0);
        }
        else
        {
            Cut(options, ref reader);
        }
    }

    public override IEnumerable<(string Name, byte[] Bytes)> Seeds()
    {
        for (int seed = 0; seed < 24; seed++)
        {
            var random = new Random(seed);
            (BulkPacket packet, int segmentLength) = BulkSample.SuperPacket(random);
            packet = packet with { Payload = packet.Payload[..Math.Min(packet.Payload.Length, 600)] };
            yield return ($"cut-{seed:d2}", [(byte)(seed % 4 * 4), .. packet.Partial(Math.Min(segmentLength, 150))]);
        }

        byte[] joined = [3];
        var first = new BulkPacket { Family = Family.Ipv4, Payload = new byte[100] };
        for (int i = 0; i < 4; i++)
        {
            byte[] frame = first.Complete();
            joined = [.. joined, 0, .. InputReader.OfWord(frame.Length), .. frame];
            first = first.Next(new byte[100]);
        }

        yield return ("join-tcp", joined);
        byte[] datagram = new BulkPacket { Family = Family.Ipv6, IsTcp = false, Flags = TcpFlags.None, Payload = new byte[80] }.Complete();
        yield return ("join-udp", [3, 0, .. InputReader.OfWord(datagram.Length), .. datagram, 1, 0, 0, 1, 0, 0, 2, 0, 10, 0, 99]);
        byte[] inner = new BulkPacket { Family = Family.Ipv4, Payload = new byte[500] }.Partial(100);
        VirtioNetHeader offload = VirtioNetHeader.Read(inner);
        foreach (Family outer in Enum.GetValues<Family>())
        {
            var underlay = new TestMesh(outer);
            byte[] frame = TunnelFrames.Around(inner[VirtioNetHeader.Length..], underlay.Node, underlay.EastWorker, 5).Frame(TestNode.UplinkMac, TestNode.MacOf(underlay.EastWorker));
            byte[] header = new byte[VirtioNetHeader.Length];
            offload.Tunnelled(TunnelFrames.OuterLength(frame), outer == Family.Ipv4).WriteTo(header);
            yield return ($"cut-tunnel-{outer}".ToLowerInvariant(), [0, .. header, .. frame]);
        }
    }

    private void Cut(byte options, ref InputReader reader)
    {
        byte[] header = new byte[VirtioNetHeader.Length];
        VirtioNetHeader offload = reader.Offload();
        byte[] frame = reader.Bytes(EthernetHeader.Length + ushort.MaxValue).ToArray();
        if ((options & 1) != 0)
        {
            FrameSums.Mend(frame);
        }

        (offload with { Flags = offload.Flags | ((options & 16) != 0 ? VirtioNetFlags.Fragment : 0) }).WriteTo(header);
        byte[] packet = [.. header, .. frame];
        TapOffloads output = (options & 4) != 0 ? TapOffloads.All : (options & 8) != 0 ? TapOffloads.Checksum : TapOffloads.None;
        bool isSane = IsSane(offload, frame, options);
        if (!Segmenter.IsNeeded(packet, output) && !isSane)
        {
            return;
        }

        var cutter = new FrameCutter(packet, output, _scratch);
        int count = 0;
        int payload = 0;
        while (cutter.TryNext(_piece.AsSpan(0, packet.Length + EthernetHeader.Length), out int length))
        {
            count++;
            FuzzFinding.Unless(length >= VirtioNetHeader.Length && length <= packet.Length, $"a piece of {length} bytes of a packet of {packet.Length}");
            FuzzFinding.Unless(count <= 65_536 / 8, "more pieces than a packet can have");
            if (isSane)
            {
                payload += CheckPiece(_piece[..length], offload);
            }
        }

        if (isSane)
        {
            _ = SegmentHeaders.TryParse(frame, out SegmentHeaders whole);
            FuzzFinding.Unless(payload == whole.PayloadLength, $"{payload} bytes of payload were made of {whole.PayloadLength}");
        }
    }

    /// <summary>A packet that a kernel would send: then the pieces must be valid and make the whole.</summary>
    private static bool IsSane(in VirtioNetHeader offload, byte[] frame, byte options)
    {
        if ((options & 16) != 0 || !offload.IsSuperPacket || offload.IsTunnelled || !SegmentHeaders.TryParse(frame, out SegmentHeaders headers) || !FrameCheck.Of(frame).HasValidHeader)
        {
            return false;
        }

        VirtioGsoType type = offload.GsoType & ~VirtioGsoType.Ecn;
        bool isType = headers.IsTcp ? type is VirtioGsoType.Tcp4 or VirtioGsoType.Tcp6 : type == VirtioGsoType.UdpL4;
        return isType && offload.HasPartialChecksum && offload.ChecksumStart == headers.TransportOffset && offload.ChecksumOffset == headers.ChecksumOffset
            && offload.SegmentLength >= 8 && headers.PayloadLength > offload.SegmentLength && headers.PayloadLength <= offload.SegmentLength * Segmenter.MaxSegmentCount
            && headers.Checksum == headers.PseudoHeader();
    }

    private static int CheckPiece(byte[] piece, in VirtioNetHeader whole)
    {
        VirtioNetHeader offload = VirtioNetHeader.Read(piece);
        byte[] frame = Offload.Complete(piece[VirtioNetHeader.Length..], offload);
        if (offload.IsSuperPacket)
        {
            _ = SegmentHeaders.TryParse(frame, out SegmentHeaders same);
            return same.PayloadLength; // The port takes it as it is.
        }

        FrameCheck check = FrameCheck.Of(frame);
        FuzzFinding.Unless(check.IsIp && check.HasValidHeader && check.Transport == ChecksumState.Valid, $"a wrong piece: {offload} {Convert.ToHexString(frame)}");
        FuzzFinding.Unless(SegmentHeaders.TryParse(frame, out SegmentHeaders headers) && headers.PayloadLength <= whole.SegmentLength, $"a piece that is too long: {Convert.ToHexString(frame)}");
        return headers.PayloadLength;
    }

    private static void Join(ref InputReader reader, bool isMended)
    {
        List<byte[]> burst = [];
        while (!reader.IsAtEnd && burst.Count < MostFrames)
        {
            byte[] packet = Packet(ref reader, burst);
            if (isMended && packet.Length > VirtioNetHeader.Length)
            {
                byte[] frame = packet[VirtioNetHeader.Length..];
                FrameSums.Mend(frame);
                packet = [.. packet[..VirtioNetHeader.Length], .. frame];
            }

            (VirtioNetHeader.ReadReceived(packet) with { }).WriteTo(packet);
            burst.Add(packet);
        }

        if (burst.Count == 0)
        {
            return;
        }

        int covered = 0;
        foreach (CoalescedPacket got in new CoalescingBench().Run([.. burst]))
        {
            covered += got.Slots.Count;
            if (got.Slots.Count == 1)
            {
                FuzzFinding.Unless(got.Packet.AsSpan().SequenceEqual(burst[got.Slots[0]]), "a frame that was not joined has changed");
                continue;
            }

            CheckCutBack(got, burst);
        }

        FuzzFinding.Unless(covered == burst.Count, $"{covered} of {burst.Count} frames are left");
    }

    /// <summary>Cut again, a super-packet is the frames that it was made of, but for the ids of a flow whose ids stay the same.</summary>
    private static void CheckCutBack(CoalescedPacket got, List<byte[]> burst)
    {
        List<byte[]> pieces = Offload.Cut(got.Packet[VirtioNetHeader.Length..], VirtioNetHeader.Read(got.Packet));
        FuzzFinding.Unless(pieces.Count == got.Slots.Count, $"{got.Slots.Count} frames were joined and {pieces.Count} come out");
        for (int i = 0; i < pieces.Count; i++)
        {
            byte[] sent = burst[got.Slots[i]];
            byte[] wanted = Offload.Complete(sent[VirtioNetHeader.Length..], VirtioNetHeader.Read(sent));
            byte[] piece = pieces[i];
            bool isIpv4 = piece[12] == 0x08;
            _ = SegmentHeaders.TryParse(wanted, out SegmentHeaders before);
            FuzzFinding.Unless(SegmentHeaders.TryParse(piece, out SegmentHeaders after) && after.Payload.SequenceEqual(before.Payload), $"the payload of frame {got.Slots[i]} has changed");
            FuzzFinding.Unless(FrameCheck.Of(piece) is { HasValidHeader: true, Transport: ChecksumState.Valid }, $"frame {got.Slots[i]} comes out wrong: {Convert.ToHexString(piece)}");
            bool isSame = before.Sequence == after.Sequence || !before.IsTcp;
            FuzzFinding.Unless(isSame && wanted.Length == piece.Length && (isIpv4 || wanted.AsSpan().SequenceEqual(piece)), $"frame {got.Slots[i]} comes out as another one:\n{Convert.ToHexString(wanted)}\n{Convert.ToHexString(piece)}");
        }
    }

    /// <summary>0: bytes of its own. 1: the last one's successor in its flow. 2: the last one with a byte changed. 3: an earlier one again.</summary>
    private static byte[] Packet(ref InputReader reader, List<byte[]> burst)
    {
        int how = reader.Byte() % 4;
        int operand = reader.Word();
        if (how == 0 || burst.Count == 0)
        {
            byte[] own = reader.Bytes(Math.Min(operand, 2048)).ToArray();
            return own.Length < VirtioNetHeader.Length ? [.. own, .. new byte[VirtioNetHeader.Length]] : own;
        }

        byte[] packet = [.. burst[how == 3 ? operand % burst.Count : burst.Count - 1]];
        if (how == 2)
        {
            packet[operand % packet.Length] = reader.Byte();
        }
        else if (how == 1 && SegmentHeaders.TryParse(packet.AsSpan(VirtioNetHeader.Length), out SegmentHeaders headers))
        {
            if (headers.IsTcp)
            {
                headers.Sequence += (uint)(headers.PayloadLength + operand);
            }

            if (headers.IsIpv4)
            {
                headers.Id++;
                headers.WriteIpChecksum();
            }
        }

        return packet;
    }
}
