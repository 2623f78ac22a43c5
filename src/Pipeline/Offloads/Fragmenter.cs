using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.Pipeline;

/// <summary>
/// Behind the last stage: cuts an IPv4 packet that may be fragmented into frames that fit the MTU of its link (RFC 791 section 3.2). Works on
/// plain frames: what <see cref="Segmenter"/> makes. Lives on the worker's stack.
/// </summary>
public ref struct Fragmenter
{
    private readonly Span<byte> _frame;
    private readonly int _mtu;
    private readonly int _headerLength;
    private readonly int _offset;
    private readonly bool _hasMore;
    private int _position;
    private bool _hasNext;

    /// <param name="packet">A virtio header, which is not looked at, and a frame with a complete checksum.</param>
    /// <param name="mtu">Longest datagram.</param>
    public Fragmenter(Span<byte> packet, int mtu)
    {
        _frame = packet[VirtioNetHeader.Length..];
        _mtu = mtu;
        if (_frame.Length >= EthernetHeader.Length && IpHeader.Parse(_frame[EthernetHeader.Length..], quoted: false, out IpHeader ip) == IpParseResult.Valid
            && CanCut(ip, mtu))
        {
            _hasNext = true;
            _headerLength = ip.HeaderLength;
            _offset = ip.FragmentOffset;
            _hasMore = ip.HasMoreFragments;
        }
    }

    /// <summary>Whether a packet may be cut, and its header leaves room for a piece.</summary>
    public static bool CanCut(IpHeader ip, int mtu) => !ip.IsDontFragment && mtu - ip.HeaderLength >= Ipv4Fragment.Unit;

    /// <summary>The next frame, virtio header first. False behind the last, and at once for a packet that cannot be cut.</summary>
    /// <param name="destination">As long as the packet, at least.</param>
    /// <param name="length">Bytes written.</param>
    public bool TryNext(Span<byte> destination, out int length)
    {
        length = 0;
        if (!_hasNext)
        {
            return false;
        }

        Span<byte> payload = _frame[(EthernetHeader.Length + _headerLength)..];
        Span<byte> header = _frame.Slice(EthernetHeader.Length, _headerLength);
        bool isFirst = _position == 0;
        default(VirtioNetHeader).WriteTo(destination);
        _frame[..EthernetHeader.Length].CopyTo(destination[VirtioNetHeader.Length..]);
        Span<byte> datagram = destination[(VirtioNetHeader.Length + EthernetHeader.Length)..];

        // How long the header will be is known once it is written; it is written again with the right figures.
        int headerLength = Ipv4Fragment.WriteHeader(datagram, header, isFirst, 0, hasMore: false, 0);
        int room = _mtu - headerLength;
        int rest = payload.Length - _position;
        int payloadLength = rest <= room ? rest : room & -Ipv4Fragment.Unit;
        _hasNext = payloadLength < rest;
        Ipv4Fragment.WriteHeader(datagram, header, isFirst, _offset + _position, _hasNext || _hasMore, payloadLength);
        payload.Slice(_position, payloadLength).CopyTo(datagram[headerLength..]);
        _position += payloadLength;
        length = VirtioNetHeader.Length + EthernetHeader.Length + headerLength + payloadLength;
        return true;
    }
}
