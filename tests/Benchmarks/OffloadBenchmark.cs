using System.Buffers.Binary;
using System.Diagnostics;
using ClusterMesh.Datapath.Pipeline;
using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.Benchmarks;

/// <summary>Segmentation and coalescing without devices, beside the copy and the checksum that they cannot do without.</summary>
internal static class OffloadBenchmark
{
    private const int SegmentLength = 1448;
    private const int SegmentCount = 45;
    private const int PayloadLength = SegmentLength * SegmentCount;
    private const int HeadersLength = EthernetHeader.Length + IpHeader.Ipv4Length + 20;
    private const int FrameLength = HeadersLength + SegmentLength;
    private const int RunCount = 2_000;

    /// <summary>The runtime compiles anew what has been called often, some 100 ms later.</summary>
    private const int SettleMilliseconds = 600;

    public static void Run()
    {
        byte[] super = Packet(PayloadLength, new VirtioNetHeader(VirtioNetFlags.NeedsChecksum, VirtioGsoType.Tcp4, HeadersLength, SegmentLength, EthernetHeader.Length + IpHeader.Ipv4Length, 16));
        byte[] buffer = new byte[super.Length];
        Measure($"copy of {PayloadLength} bytes", 1, () => super.CopyTo(buffer.AsSpan()));
        Measure($"checksum of {PayloadLength} bytes", 1, () => InternetChecksum.Sum(super));
        Measure($"checksum of {SegmentLength} bytes", 1, () => InternetChecksum.Sum(super.AsSpan(0, SegmentLength)));
        Measure($"checksum of {IpHeader.Ipv4Length} bytes", 1, () => InternetChecksum.Sum(super.AsSpan(0, IpHeader.Ipv4Length)));
        Measure($"{SegmentCount} segments, checksums left to the port", 1, () => Cut(super, TapOffloads.Checksum, buffer));
        Measure($"{SegmentCount} segments, checksums complete", 1, () => Cut(super, TapOffloads.None, buffer));

        var burst = new Burst(super);
        Measure($"coalescing, {SegmentCount} segments of one flow, per frame", SegmentCount, () => burst.Join(isOneFlow: true));
        Measure("coalescing, each frame another flow, per frame", SegmentCount, () => burst.Join(isOneFlow: false));
        Measure("the copies into the burst's buffers that both contain, per frame", SegmentCount, burst.Fill);
        Measure("coalescing, ACKs without payload, per frame", SegmentCount, () => burst.Look(HeadersLength));
    }

    private static void Measure(string name, int perRun, Action run)
    {
        for (long start = Stopwatch.GetTimestamp(); Stopwatch.GetElapsedTime(start).TotalMilliseconds < SettleMilliseconds;)
        {
            run();
        }

        double[] times = Sample.Microseconds(9, _ =>
        {
            for (int i = 0; i < RunCount; i++)
            {
                run();
            }
        });
        Console.WriteLine($"offloads: {name}: {Sample.Range(times, RunCount * perRun / 1000.0)} ns");
    }

    private static void Cut(byte[] packet, TapOffloads output, byte[] buffer)
    {
        var segmenter = new Segmenter(packet, output);
        while (segmenter.TryNext(buffer, out _))
        {
        }
    }

    private static byte[] Packet(int payloadLength, VirtioNetHeader offload)
    {
        byte[] packet = new byte[VirtioNetHeader.Length + HeadersLength + payloadLength];
        new Random(1).NextBytes(packet);
        offload.WriteTo(packet);
        Span<byte> frame = packet.AsSpan(VirtioNetHeader.Length);
        EthernetHeader ethernet = EthernetHeader.Of(frame);
        ethernet.Destination = SampleNode.RouterMac;
        ethernet.Source = SampleNode.PodMac;
        ethernet.Type = EtherType.Ipv4;
        Span<byte> ip = frame[EthernetHeader.Length..];
        ip[0] = 0x45;
        BinaryPrimitives.WriteUInt16BigEndian(ip[2..], (ushort)ip.Length);
        BinaryPrimitives.WriteUInt16BigEndian(ip[6..], 0x4000);
        ip[9] = (byte)IpProtocol.Tcp;
        ip[10..12].Clear();
        BinaryPrimitives.WriteUInt16BigEndian(ip[10..], InternetChecksum.Compute(ip[..IpHeader.Ipv4Length]));
        Span<byte> tcp = ip[IpHeader.Ipv4Length..];
        tcp[12] = 0x50;
        tcp[13] = (byte)TcpFlags.Ack;
        return packet;
    }

    /// <summary>Frames in buffers of their own, as a worker has them.</summary>
    private sealed class Burst
    {
        private readonly Coalescer _coalescer = new();
        private readonly byte[][] _frames = new byte[SegmentCount][];
        private readonly byte[][] _buffers = new byte[SegmentCount][];

        public Burst(byte[] super)
        {
            var segmenter = new Segmenter(super, TapOffloads.None);
            byte[] segment = new byte[super.Length];
            for (int i = 0; segmenter.TryNext(segment, out int length); i++)
            {
                _frames[i] = segment[VirtioNetHeader.Length..length];
                _buffers[i] = new byte[PacketContext.BufferLength];
            }
        }

        public void Fill()
        {
            for (int i = 0; i < SegmentCount; i++)
            {
                _frames[i].CopyTo(_buffers[i], 0);
            }
        }

        public void Join(bool isOneFlow)
        {
            Fill();
            _coalescer.Begin();
            VirtioNetHeader offload = default;
            int length = FrameLength;
            for (int i = 0; i < SegmentCount; i++)
            {
                Span<byte> frame = _buffers[i].AsSpan(0, FrameLength);
                if (!isOneFlow)
                {
                    BinaryPrimitives.WriteUInt16BigEndian(frame[(EthernetHeader.Length + IpHeader.Ipv4Length)..], (ushort)i);
                }

                int head = _coalescer.FindHead(i, 0, frame, default);
                if (head >= 0)
                {
                    _coalescer.TryAppend(_buffers[head], ref length, ref offload, frame, default);
                }
            }
        }

        public void Look(int length)
        {
            _coalescer.Begin();
            for (int i = 0; i < SegmentCount; i++)
            {
                Span<byte> frame = _buffers[i].AsSpan(0, length);
                BinaryPrimitives.WriteUInt16BigEndian(frame[(EthernetHeader.Length + 2)..], (ushort)(length - EthernetHeader.Length));
                _coalescer.FindHead(i, 0, frame, default);
            }
        }
    }
}
