using ClusterMesh.Datapath.Io.Native;
using ClusterMesh.Datapath.Pipeline;
using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.Io;

/// <summary>
/// One capture at one worker: keeps the frames of a burst as they came in, and when it is known what becomes of them puts those that are wanted into
/// its ring. Belongs to the worker's thread, but for the ring's other end and the count of losses. All memory is taken at the start, and
/// given back when it is disposed of: by then the worker must have been told, and the ring have been read.
/// </summary>
public sealed class CaptureTap : IDisposable
{
    /// <summary>Bytes of a ring: some milliseconds of 10 Gbit/s, or the beginnings of 50,000 packets.</summary>
    public const int RingLength = 8 * 1024 * 1024;

    private const int SequenceBits = 48;

    private readonly CaptureFilter _filter;
    private readonly CapturePoints _points;
    private readonly int _snapLength;
    private readonly int _worker;
    private readonly MappedMemory _received;
    private readonly int[] _lengths = new int[Burst.MaxCount];
    private readonly VirtioNetHeader[] _offloads = new VirtioNetHeader[Burst.MaxCount];
    private readonly FlowKey[] _keys = new FlowKey[Burst.MaxCount];
    private ulong _sequence;
    private ulong _lost;

    /// <param name="snapLength">Bytes of a frame that are kept.</param>
    public CaptureTap(CaptureFilter filter, CapturePoints points, int snapLength, int worker, int ringLength = RingLength)
    {
        _filter = filter;
        _points = points;
        _snapLength = snapLength;
        _worker = worker;
        Ring = new CaptureRing(ringLength);
        _received = MappedMemory.Fresh((long)Burst.MaxCount * snapLength);
    }

    public CaptureRing Ring { get; }

    /// <summary>Frames that found no room in the ring. Anyone may read it.</summary>
    public ulong LostCount => Volatile.Read(ref _lost);

    public void Dispose()
    {
        _received.Dispose();
        Ring.Dispose();
    }

    /// <summary>The frames of a burst are as they came in.</summary>
    public void Note(Burst burst)
    {
        for (int i = 0; i < burst.Count; i++)
        {
            ref BurstFrame frame = ref burst.Frames[i];
            Span<byte> bytes = burst.BufferOf(frame.Buffer).Slice(frame.Start, frame.Length);
            _lengths[i] = frame.Length;
            _offloads[i] = frame.Offload;
            _keys[i] = _filter.AsksForFlow && SteeringKey.TryRead(bytes, out SteeringKey read) ? read.Key : default;
            bytes[..Math.Min(bytes.Length, _snapLength)].CopyTo(Received(i, _snapLength));
        }
    }

    /// <summary>It is known what becomes of some of them.</summary>
    public void Take(Burst burst, int from, int end, MonoTime now)
    {
        for (int i = from; i < end; i++)
        {
            ref BurstFrame frame = ref burst.Frames[i];
            if (frame.Verdict is not (Verdict.Joined or Verdict.HandedOver) && _filter.Takes(frame.Verdict, frame.Reason))
            {
                Take(burst, i, frame, now);
            }
        }
    }

    /// <summary>A frame of the datapath's own leaves: a question, an answer, or one that had waited.</summary>
    /// <param name="frame">The virtio header first.</param>
    public void Sent(int port, Span<byte> frame, MonoTime now)
    {
        VirtioNetHeader offload = VirtioNetHeader.Read(frame);
        Span<byte> bytes = frame[VirtioNetHeader.Length..];
        FlowKey key = _filter.AsksForFlow && SteeringKey.TryRead(bytes, out SteeringKey read) ? read.Key : default;
        if ((_points & CapturePoints.Left) != 0 && _filter.Takes(Verdict.Transmit, DropReason.None) && (!_filter.AsksForFlow || _filter.Takes(default, key)))
        {
            Write(new CaptureRecord(now, 0, CapturePoints.Left, Verdict.Transmit, DropReason.None, 0, -1, port, bytes.Length, offload.HasPartialChecksum, offload.IsSuperPacket, _worker), bytes);
        }
    }

    private void Take(Burst burst, int i, in BurstFrame frame, MonoTime now)
    {
        bool leaves = frame.Verdict == Verdict.Transmit;
        Span<byte> left = burst.BufferOf(frame.Buffer).Slice(frame.Start, frame.Length);
        if (_filter.AsksForFlow)
        {
            FlowKey after = leaves && SteeringKey.TryRead(left, out SteeringKey read) ? read.Key : default;
            if (!_filter.Takes(_keys[i], after))
            {
                return;
            }
        }

        ulong packet = ((ulong)_worker << SequenceBits) | ++_sequence;
        int egress = leaves ? frame.EgressPort : -1;
        if ((_points & CapturePoints.Received) != 0 || !leaves)
        {
            VirtioNetHeader came = _offloads[i];
            Write(
                new CaptureRecord(now, packet, CapturePoints.Received, frame.Verdict, frame.Reason, frame.ReasonDetail, frame.IngressPort, egress, _lengths[i], came.HasPartialChecksum, came.IsSuperPacket, _worker),
                Received(i, Math.Min(_lengths[i], _snapLength)));
        }

        if (leaves && (_points & CapturePoints.Left) != 0)
        {
            Write(
                new CaptureRecord(now, packet, CapturePoints.Left, frame.Verdict, frame.Reason, 0, frame.IngressPort, egress, frame.Length, frame.Offload.HasPartialChecksum, frame.Offload.IsSuperPacket, _worker),
                left);
        }
    }

    private Span<byte> Received(int i, int length) => _received.Span((long)i * _snapLength, length);

    private void Write(in CaptureRecord record, ReadOnlySpan<byte> frame)
    {
        ReadOnlySpan<byte> kept = frame[..Math.Min(frame.Length, _snapLength)];
        if (!Ring.TryReserve(CaptureRecord.Length + kept.Length, out Span<byte> room))
        {
            Volatile.Write(ref _lost, _lost + 1);
            return;
        }

        record.WriteTo(room);
        kept.CopyTo(room[CaptureRecord.Length..]);
        Ring.Commit();
    }
}
