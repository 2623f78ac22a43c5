using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.Pipeline;

/// <summary>
/// Behind the last stage: all that is cut before a device, in order. <see cref="Segmenter"/> makes plain frames of a super-packet;
/// <see cref="Fragmenter"/> makes fragments of each when the pipeline has said so. Lives on the worker's stack.
/// </summary>
public ref struct FrameCutter
{
    private readonly Span<byte> _scratch;
    private readonly bool _isToBeFragmented;
    private readonly int _mtu;
    private readonly TapOffloads _output;

    // Of a tunnelled packet: what is put around each piece of the inner frame.
    private readonly Span<byte> _outer;
    private readonly bool _hasOuterChecksum;
    private int _count;
    private Segmenter _segmenter;
    private Fragmenter _fragmenter;

    /// <param name="packet">A virtio header and the frame behind it; read until the last frame is made, never changed.</param>
    /// <param name="output">What the port takes.</param>
    /// <param name="scratch">As long as the packet, at least.</param>
    public FrameCutter(Span<byte> packet, TapOffloads output, Span<byte> scratch)
    {
        VirtioNetHeader offload = VirtioNetHeader.Read(packet);
        _output = output;
        _scratch = scratch;
        Span<byte> frame = packet[VirtioNetHeader.Length..];
        if (offload.IsTunnelled && !offload.IsInOtherTunnel && OuterHeaders.LengthIn(frame) is int outerLength and > 0)
        {
            _outer = frame[..outerLength];
            _hasOuterChecksum = OuterHeaders.HasChecksum(frame);
            offload = offload.Inner(outerLength);
            frame = frame[outerLength..];
        }

        _segmenter = new Segmenter(frame, offload, output);
        _isToBeFragmented = offload.IsToBeFragmented;
        _mtu = offload.HeaderLength;
    }

    /// <summary>The next frame, virtio header first. False behind the last, and at once for a packet that cannot be cut.</summary>
    /// <param name="destination">As long as the packet, at least.</param>
    /// <param name="length">Bytes written.</param>
    public bool TryNext(Span<byte> destination, out int length)
    {
        if (_outer.IsEmpty)
        {
            return TryNextPiece(destination, out length);
        }

        if (!TryNextPiece(destination[_outer.Length..], out length))
        {
            return false;
        }

        VirtioNetHeader inner = VirtioNetHeader.Read(destination[_outer.Length..]);
        length += _outer.Length;
        Span<byte> frame = destination[VirtioNetHeader.Length..length];
        _outer.CopyTo(frame);
        OuterHeaders.WriteId(frame, _count++);
        VirtioNetHeader offload = OuterHeaders.Finish(frame, inner, _hasOuterChecksum);
        if (offload.HasPartialChecksum && (_output & TapOffloads.Checksum) == 0)
        {
            InternetChecksum.TryComplete(frame, offload.ChecksumStart, offload.ChecksumOffset, zero: ushort.MaxValue);
            offload = default;
        }

        offload.WriteTo(destination);
        return true;
    }

    private bool TryNextPiece(Span<byte> destination, out int length)
    {
        if (!_isToBeFragmented)
        {
            return _segmenter.TryNext(destination, out length);
        }

        while (!_fragmenter.TryNext(destination, out length))
        {
            if (!_segmenter.TryNext(_scratch, out int wholeLength))
            {
                return false;
            }

            _fragmenter = new Fragmenter(_scratch[..wholeLength], _mtu);
        }

        return true;
    }
}
