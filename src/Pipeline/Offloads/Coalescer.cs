using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.Pipeline;

/// <summary>
/// Before the first stage: joins plain TCP segments and UDP datagrams that follow each other in one burst to super-packets (generic receive
/// offload), by the rules of Linux (inet_gro_receive, tcp_gro_receive, udp_gro_receive_segment). <see cref="Segmenter"/> makes the same
/// frames of them again. Owned by one worker.
/// </summary>
public sealed class Coalescer
{
    /// <summary>Longer frames a TAP takes, but Linux cuts them again at its next device: gso_max_size is 65,536, Ethernet included.</summary>
    public const int MaxFrameLength = 65_535;

    /// <summary>UDP_GRO_CNT_MAX of Linux.</summary>
    public const int MaxDatagramCount = 64;

    /// <summary>
    /// Twice a burst of 64, in sets of which each flow has one: with fewer ways two bulk flows in 128 would take turns for one entry and never
    /// be joined.
    /// </summary>
    private const int TableLength = 128;

    private const int WayCount = 4;

    /// <summary>CWR among them: a virtio header cannot say whether the other segments have it too, as they may with accurate ECN (RFC 9768).</summary>
    private const TcpFlags Unusual = TcpFlags.Syn | TcpFlags.Rst | TcpFlags.Urg | TcpFlags.Cwr;
    private const TcpFlags Ending = TcpFlags.Fin | TcpFlags.Psh;

    private readonly Head[] _heads = new Head[TableLength];
    private int _burst = 1;
    private int _headCount;
    private int _candidateIndex;
    private Head _candidate;

    /// <summary>Joins what belongs together in a burst. Frames whose verdict is then <see cref="Verdict.Joined"/> are part of an earlier one.</summary>
    public void Run(Burst burst)
    {
        Begin();
        Span<BurstFrame> frames = burst.Frames;
        for (int i = 0; i < frames.Length; i++)
        {
            ref BurstFrame frame = ref frames[i];
            Span<byte> bytes = burst.BufferOf(frame.Buffer).Slice(frame.Start, frame.Length);
            int headIndex = FindHead(i, frame.IngressPort + (frame.Tunnel.Sender * Port.MaxCount), bytes, frame.Offload);
            if (headIndex < 0)
            {
                continue;
            }

            ref BurstFrame head = ref frames[headIndex];
            int length = head.Length;
            VirtioNetHeader offload = head.Offload;
            if (TryAppend(burst.BufferOf(head.Buffer)[head.Start..], ref length, ref offload, bytes, frame.Offload))
            {
                head.Length = length;
                head.Offload = offload;
                frame.Verdict = Verdict.Joined;
            }
        }
    }

    /// <summary>A new burst: the frames of the last one are gone.</summary>
    public void Begin()
    {
        if (_headCount > 0)
        {
            _burst++;
            _headCount = 0;
        }
    }

    /// <summary>The earlier frame of the burst that this one may be joined to. If it cannot be, it is remembered as one that later ones may.</summary>
    /// <param name="slot">What the caller knows the frame by.</param>
    /// <param name="ingressPort">Frames of different ports are never joined.</param>
    /// <param name="frame">From the Ethernet header on.</param>
    /// <returns>The slot of the head, which <see cref="TryAppend"/> must then be called for; -1 when there is none.</returns>
    public int FindHead(int slot, int ingressPort, Span<byte> frame, in VirtioNetHeader offload)
    {
        if (!SegmentHeaders.TryParse(frame, out SegmentHeaders headers))
        {
            // It may be a fragment of any of the flows, which must not be overtaken.
            Begin();
            return -1;
        }

        bool isMember = IsMember(headers, offload);
        if (!isMember && _headCount == 0)
        {
            return -1;
        }

        int index = IndexOf(headers.Hash, ingressPort, out bool isOfFlow);
        if (!isMember)
        {
            // What follows it must not be joined to what came before it.
            _heads[index].Burst = isOfFlow ? 0 : _heads[index].Burst;
            return -1;
        }

        _candidateIndex = index;
        _candidate = new Head(BeginsHead(headers) ? _burst : 0, headers.Hash, slot, ingressPort, 1, false);
        if (isOfFlow)
        {
            return _heads[index].Slot;
        }

        Remember();
        return -1;
    }

    /// <summary>Joins the frame that <see cref="FindHead"/> was called for to its head. If it does not fit there it is a head itself.</summary>
    /// <param name="head">The head's frame with all the room behind it that its buffer has.</param>
    /// <param name="headLength">Bytes of the head's frame.</param>
    /// <param name="headOffload">The head's virtio header.</param>
    /// <param name="frame">The frame; when it is joined nothing is left of it to be sent.</param>
    public bool TryAppend(Span<byte> head, ref int headLength, ref VirtioNetHeader headOffload, Span<byte> frame, in VirtioNetHeader offload)
    {
        ref Head entry = ref _heads[_candidateIndex];
        if (!SegmentHeaders.TryParse(head[..headLength], out SegmentHeaders first) || !SegmentHeaders.TryParse(frame, out SegmentHeaders next)
            || headLength + next.PayloadLength > Math.Min(head.Length, MaxFrameLength)
            || !Continues(entry, first, headOffload, next) || !IsIntact(next, offload) || (entry.Count == 1 && !IsIntact(first, headOffload)))
        {
            Remember();
            return false;
        }

        int segmentLength = entry.Count == 1 ? first.PayloadLength : headOffload.SegmentLength;
        Join(head, ref headLength, ref headOffload, first, next, offload.HasPartialChecksum, segmentLength);
        entry.IsFixedId = first.IsIpv4 && first.Id == next.Id;
        entry.Count++;
        bool isLast = next.PayloadLength < segmentLength || (next.IsTcp ? (next.Flags & Ending) != 0 : entry.Count == MaxDatagramCount);
        entry.Burst = isLast ? 0 : entry.Burst;
        return true;
    }

    /// <summary>Whether the frame can be part of a super-packet at all. Linux, too, leaves alone what has IP options or no UDP checksum.</summary>
    private static bool IsMember(SegmentHeaders headers, in VirtioNetHeader offload)
    {
        if (headers.PayloadLength == 0 || offload.IsSuperPacket || headers.HasIpOptions
            || (offload.HasPartialChecksum && (offload.ChecksumStart != headers.TransportOffset || offload.ChecksumOffset != headers.ChecksumOffset)))
        {
            return false;
        }

        return headers.IsTcp ? (headers.Flags & Unusual) == 0 : headers.Checksum != 0 || offload.HasPartialChecksum;
    }

    private static bool BeginsHead(SegmentHeaders headers) => !headers.IsTcp || (headers.Flags & Ending) == 0;

    private static bool Continues(in Head entry, SegmentHeaders first, in VirtioNetHeader offload, SegmentHeaders next)
    {
        int segmentLength = entry.Count == 1 ? first.PayloadLength : offload.SegmentLength;
        if (next.PayloadLength > segmentLength || !first.IsRepeatedBy(next))
        {
            return false;
        }

        if (first.IsTcp && next.Sequence != first.Sequence + (uint)first.PayloadLength)
        {
            return false;
        }

        if (!first.IsIpv4)
        {
            return true;
        }

        // RFC 6864 section 4.1: an id that stays the same has no meaning where DF forbids fragments. Cut again, the ids count.
        int distance = (ushort)(next.Id - first.Id);
        return distance == 0 ? first.IsDontFragment && (entry.Count == 1 || entry.IsFixedId) : distance == entry.Count && !entry.IsFixedId;
    }

    /// <summary>A receiver believes a partial checksum, so what is joined must have been right.</summary>
    private static bool IsIntact(SegmentHeaders headers, in VirtioNetHeader offload) =>
        headers.HasValidIpChecksum && (offload.HasPartialChecksum || (offload.Flags & VirtioNetFlags.DataValid) != 0 || headers.HasValidChecksum);

    /// <param name="isPartial">The checksum of what is joined is left to the device. Of two such it is not known that they are right, and they leave as they came.</param>
    private static void Join(
        Span<byte> head, ref int headLength, ref VirtioNetHeader headOffload, SegmentHeaders first, SegmentHeaders next, bool isPartial, int segmentLength)
    {
        int length = headLength + next.PayloadLength;
        next.Payload.CopyTo(head[headLength..]);
        SegmentHeaders joined = first.In(head[..length]);
        joined.WriteLengths();
        joined.WriteIpChecksum();
        joined.Checksum = isPartial && headOffload.HasPartialChecksum
            ? ChecksumDelta.Between((ushort)(headLength - first.TransportOffset), (ushort)(length - first.TransportOffset)).ApplyToPartial(first.Checksum)
            : joined.PseudoHeader();
        VirtioGsoType type = VirtioGsoType.UdpL4;
        if (joined.IsTcp)
        {
            joined.Flags |= next.Flags & Ending;
            type = joined.IsIpv4 ? VirtioGsoType.Tcp4 : VirtioGsoType.Tcp6;
        }

        headLength = length;
        headOffload = new VirtioNetHeader(
            VirtioNetFlags.NeedsChecksum, type, (ushort)joined.Length, (ushort)segmentLength, (ushort)joined.TransportOffset, (ushort)joined.ChecksumOffset);
    }

    /// <summary>Where the flow's head is, or where one may be put: in a free entry of the set, or in place of the oldest.</summary>
    private int IndexOf(uint hash, int ingressPort, out bool isOfFlow)
    {
        int begin = (int)(hash % (TableLength / WayCount)) * WayCount;
        int free = begin;
        for (int i = begin; i < begin + WayCount; i++)
        {
            ref readonly Head head = ref _heads[i];
            if (head.Burst == _burst && head.Hash == hash && head.IngressPort == ingressPort)
            {
                isOfFlow = true;
                return i;
            }

            if (_heads[free].Burst == _burst && (head.Burst != _burst || head.Slot < _heads[free].Slot))
            {
                free = i;
            }
        }

        isOfFlow = false;
        return free;
    }

    /// <summary>The candidate becomes the head of its flow; one that ends what it follows leaves none.</summary>
    private void Remember()
    {
        _heads[_candidateIndex] = _candidate;
        _headCount++;
    }

    /// <summary>A frame that others may be joined to, and what its headers do not say once some are.</summary>
    /// <param name="Burst">The burst that it belongs to; 0 when nothing more may be joined.</param>
    private record struct Head(int Burst, uint Hash, int Slot, int IngressPort, int Count, bool IsFixedId);
}
