using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.Pipeline;

/// <summary>
/// Behind the last stage: makes of a packet that its port cannot take the plain frames that the port can (generic segmentation offload).
/// Cuts as Linux does in tcp_gso_segment, __udp_gso_segment and inet_gso_segment, byte for byte. Lives on the worker's stack.
/// </summary>
public ref struct Segmenter
{
    /// <summary>Segments of 64 KiB at TCP_MIN_SND_MSS (48 bytes), with room to spare: more is a packet made to cost us time.</summary>
    public const int MaxSegmentCount = 2048;

    private readonly Span<byte> _frame;
    private readonly SegmentHeaders _headers;
    private readonly VirtioNetHeader _offload;
    private readonly TapOffloads _output;
    private readonly int _segmentLength;
    private readonly ushort _partialSum;
    private int _position;
    private int _index;
    private bool _isDone;

    /// <param name="packet">A virtio header and the frame behind it; read until the last segment is made, never changed.</param>
    /// <param name="output">What the port takes.</param>
    public Segmenter(Span<byte> packet, TapOffloads output)
        : this(packet[VirtioNetHeader.Length..], VirtioNetHeader.Read(packet), output)
    {
    }

    /// <param name="frame">Read until the last segment is made, never changed.</param>
    /// <param name="output">What the port takes.</param>
    public Segmenter(Span<byte> frame, scoped in VirtioNetHeader offload, TapOffloads output)
    {
        _frame = frame;
        _output = offload.IsToBeFragmented ? TapOffloads.None : output; // a fragment's checksum cannot be left to the device
        if (!offload.IsSuperPacket)
        {
            _offload = offload with { Flags = offload.Flags & ~VirtioNetFlags.Fragment };
            return;
        }

        _isDone = !SegmentHeaders.TryParse(_frame, out _headers) || !IsSound(offload, _headers);
        if (_isDone || _headers.PayloadLength <= offload.SegmentLength)
        {
            // Linux takes a super-packet of one segment for a plain packet (virtio_net_hdr_to_skb).
            _offload = offload with { Flags = offload.Flags & ~VirtioNetFlags.Fragment, GsoType = VirtioGsoType.None, SegmentLength = 0, HeaderLength = 0 };
            return;
        }

        _segmentLength = offload.SegmentLength;
        _partialSum = offload.HasPartialChecksum ? _headers.Checksum : _headers.PseudoHeader();
        _offload = new VirtioNetHeader(
            VirtioNetFlags.NeedsChecksum, VirtioGsoType.None, 0, 0, (ushort)_headers.TransportOffset, (ushort)_headers.ChecksumOffset);
    }

    /// <summary>Whether the packet asks for more than the port takes; if not, it leaves as it is.</summary>
    /// <param name="packet">A virtio header and the frame behind it.</param>
    public static bool IsNeeded(Span<byte> packet, TapOffloads output)
    {
        VirtioNetHeader offload = VirtioNetHeader.Read(packet);
        if (offload.IsToBeFragmented)
        {
            return true;
        }

        Span<byte> frame = packet[VirtioNetHeader.Length..];
        if (offload.IsTunnelled)
        {
            if (!CanTakeTunnel(frame, offload, output))
            {
                return true;
            }

            int outerLength = OuterHeaders.LengthIn(frame);
            offload = offload.Inner(outerLength);
            frame = frame[outerLength..];
        }

        if ((output & TapOffloads.All) == TapOffloads.All)
        {
            return false;
        }

        TapOffloads needed = offload.HasPartialChecksum ? TapOffloads.Checksum : TapOffloads.None;
        if (offload.IsSuperPacket && EthernetHeader.TryParse(frame, out EthernetHeader ethernet))
        {
            bool isIpv4 = ethernet.Type == EtherType.Ipv4;
            needed |= TapOffloads.Checksum | ((offload.GsoType & ~VirtioGsoType.Ecn) == VirtioGsoType.UdpL4
                ? isIpv4 ? TapOffloads.UdpIpv4 : TapOffloads.UdpIpv6
                : isIpv4 ? TapOffloads.TcpIpv4 : TapOffloads.TcpIpv6);
            needed |= (offload.GsoType & VirtioGsoType.Ecn) != 0 ? TapOffloads.TcpEcn : TapOffloads.None;
        }

        return (needed & ~output) != 0;
    }

    /// <summary>
    /// The device cuts what lies in the tunnel and writes outer headers: it wants a partial checksum of it (virtio_net_hdr_tnl_to_skb), and a length that
    /// IP can say.
    /// </summary>
    private static bool CanTakeTunnel(Span<byte> frame, in VirtioNetHeader offload, TapOffloads output)
    {
        int outerLength = OuterHeaders.LengthIn(frame);
        if (outerLength == 0 || offload.IsInOtherTunnel || !offload.IsSuperPacket || !offload.HasPartialChecksum
            || offload.ChecksumStart < outerLength + EthernetHeader.Length + IpHeader.Ipv4Length || frame.Length > ushort.MaxValue)
        {
            return false;
        }

        TapOffloads needed = TapOffloads.UdpTunnel | (OuterHeaders.HasChecksum(frame) ? TapOffloads.UdpTunnelChecksum : TapOffloads.None);
        return (needed & ~output) == 0;
    }

    /// <summary>The next frame, virtio header first. False behind the last, and at once for a packet that cannot be cut.</summary>
    /// <param name="destination">As long as the packet, at least: then any segment fits.</param>
    /// <param name="length">Bytes written.</param>
    public bool TryNext(Span<byte> destination, out int length)
    {
        length = 0;
        if (_isDone)
        {
            return false;
        }

        return _segmentLength == 0 ? TryCopy(destination, out length) : TryCut(destination, out length);
    }

    /// <summary>What Linux finds in every packet that it made itself.</summary>
    private static bool IsSound(in VirtioNetHeader offload, SegmentHeaders headers)
    {
        VirtioGsoType type = offload.GsoType & ~VirtioGsoType.Ecn;
        bool isProtocol = headers.IsTcp ? type is VirtioGsoType.Tcp4 or VirtioGsoType.Tcp6 : type == VirtioGsoType.UdpL4;
        return isProtocol && offload.SegmentLength > 0 && headers.PayloadLength <= offload.SegmentLength * MaxSegmentCount
            && (!offload.HasPartialChecksum || (offload.ChecksumStart == headers.TransportOffset && offload.ChecksumOffset == headers.ChecksumOffset));
    }

    private bool TryCopy(Span<byte> destination, out int length)
    {
        _isDone = true;
        Span<byte> frame = destination.Slice(VirtioNetHeader.Length, _frame.Length);
        _frame.CopyTo(frame);
        length = VirtioNetHeader.Length + _frame.Length;

        // Linux (skb_checksum_help) turns a 0 into 0xFFFF for every transport, not only for UDP.
        return TryFinish(destination, frame, zero: ushort.MaxValue);
    }

    private bool TryCut(Span<byte> destination, out int length)
    {
        int payloadLength = Math.Min(_segmentLength, _headers.PayloadLength - _position);
        bool isLast = _position + payloadLength == _headers.PayloadLength;
        length = VirtioNetHeader.Length + _headers.Length + payloadLength;
        Span<byte> frame = destination[VirtioNetHeader.Length..length];
        _frame[.._headers.Length].CopyTo(frame);
        _frame.Slice(_headers.Length + _position, payloadLength).CopyTo(frame[_headers.Length..]);

        SegmentHeaders segment = _headers.In(frame);
        segment.WriteLengths();
        if (segment.IsIpv4)
        {
            segment.Id = (ushort)(_headers.Id + _index);
            segment.WriteIpChecksum();
        }

        if (segment.IsTcp)
        {
            segment.Sequence = _headers.Sequence + (uint)_position;
            TcpFlags absent = (isLast ? TcpFlags.None : TcpFlags.Fin | TcpFlags.Psh) | (_index == 0 ? TcpFlags.None : TcpFlags.Cwr);
            segment.Flags = _headers.Flags & ~absent;
        }

        segment.Checksum = ChecksumDelta.Between(
            (ushort)(_frame.Length - _headers.TransportOffset), (ushort)(frame.Length - _headers.TransportOffset)).ApplyToPartial(_partialSum);
        _position += payloadLength;
        _index++;
        _isDone = isLast;
        return TryFinish(destination, frame, zero: segment.IsTcp ? (ushort)0 : ushort.MaxValue);
    }

    /// <summary>Writes the virtio header, after completing the checksum for a port that takes complete ones only.</summary>
    /// <param name="zero">What is written for a checksum of 0.</param>
    private readonly bool TryFinish(Span<byte> destination, Span<byte> frame, ushort zero)
    {
        if (!_offload.HasPartialChecksum || (_output & TapOffloads.Checksum) != 0)
        {
            _offload.WriteTo(destination);
            return true;
        }

        default(VirtioNetHeader).WriteTo(destination);
        return InternetChecksum.TryComplete(frame, _offload.ChecksumStart, _offload.ChecksumOffset, zero);
    }
}
