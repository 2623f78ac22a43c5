using System.Buffers.Binary;
using ClusterMesh.Datapath.Pipeline;
using ClusterMesh.Datapath.State;
using ClusterMesh.Datapath.Testing;
using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.Benchmarks;

/// <summary>
/// The whole pipeline without devices: bursts of 64-byte TCP packets of established flows from one pod to services, written into the buffers of a
/// burst and taken through. What the I/O would do is not in it.
/// </summary>
internal sealed class PipelineRun
{
    private const int PortCount = 50_000;
    private const int Stride = 7919;
    private const int LeastEntries = 1 << 16;

    private readonly Burst _burst = new(new ArrayFrames(Burst.MaxCount));
    private readonly PacketPipeline _pipeline;
    private readonly Snapshot _snapshot;
    private readonly byte[][] _frames;
    private readonly int _port;
    private readonly int _flowCount;
    private readonly MonoTime _now = MonoTime.FromSeconds(1000);
    private int _flow;

    public PipelineRun(PipelineCase which)
    {
        _flowCount = which.FlowCount;
        int destinationCount = ((_flowCount - 1) / PortCount) + 1;
        var writer = new StateWriter(SampleNode.Local(Math.Max(LeastEntries, 2 * _flowCount), Math.Max(LeastEntries, _flowCount)), seed: 1);
        _snapshot = writer.Commit(writer.Plan(SampleNode.Change(destinationCount, which.IsMasqueraded ? "203.0.113" : "10.1.1")));
        Live = new LiveTables(writer.Desired.Local.ConntrackEntries, writer.Desired.Local.SnatEntries, seed: 1, which.HasShortcut);
        foreach (string neighbor in (string[])["172.18.0.1", "172.18.0.2"])
        {
            Live.Neighbors.Learn(IpAddress.Parse(neighbor), new MacAddress(0x0200_0000_0009), isSolicited: true, create: true, _now);
        }

        _pipeline = new PacketPipeline(Live);
        _port = writer.Ports["default/curl-pod"].Id;
        _frames = [.. Enumerable.Range(0, destinationCount).Select(d => Frame(SampleNode.FrontendOf(d)))];
        Send(_flowCount * 2, Burst.MaxCount); // Every flow is known.
    }

    public LiveTables Live { get; }

    /// <summary>Sends packets, each of another flow than the last, so that neighbours in time are not neighbours in the tables.</summary>
    /// <returns>How many left.</returns>
    public int Send(int packetCount, int burstLength)
    {
        int transmitted = 0;
        for (int sent = 0; sent < packetCount; sent += burstLength)
        {
            _burst.Clear();
            for (int i = 0; i < burstLength; i++)
            {
                _flow = _flowCount == 1 ? 0 : (_flow + Stride) % _flowCount;
                byte[] frame = _frames[_flow / PortCount];
                Span<byte> buffer = _burst.BufferOf(i)[PacketContext.Headroom..];
                frame.CopyTo(buffer);
                BinaryPrimitives.WriteUInt16BigEndian(buffer[(EthernetHeader.Length + IpHeader.Ipv4Length)..], (ushort)(10_000 + (_flow % PortCount)));
                _burst.Add(new BurstFrame { Buffer = i, Start = PacketContext.Headroom, Length = frame.Length, IngressPort = _port });
            }

            _pipeline.ProcessBurst(_burst, 0, _snapshot, _now);
            foreach (ref readonly BurstFrame frame in _burst.Frames)
            {
                transmitted += frame.Verdict == Verdict.Transmit ? 1 : 0;
            }
        }

        return transmitted;
    }

    private static byte[] Frame(IpAddress destination)
    {
        const int TcpLength = 20;
        byte[] frame = new byte[EthernetHeader.Length + IpHeader.Ipv4Length + TcpLength + 10];
        EthernetHeader ethernet = EthernetHeader.Of(frame);
        ethernet.Destination = SampleNode.RouterMac;
        ethernet.Source = SampleNode.PodMac;
        ethernet.Type = EtherType.Ipv4;
        Span<byte> ip = frame.AsSpan(EthernetHeader.Length);
        ip[0] = 0x45;
        BinaryPrimitives.WriteUInt16BigEndian(ip[2..], (ushort)ip.Length);
        ip[8] = 64;
        ip[9] = (byte)IpProtocol.Tcp;
        SampleNode.Pod.WriteTo(ip.Slice(12, 4));
        destination.WriteTo(ip.Slice(16, 4));
        BinaryPrimitives.WriteUInt16BigEndian(ip[10..], InternetChecksum.Compute(ip[..IpHeader.Ipv4Length]));
        Span<byte> tcp = ip[IpHeader.Ipv4Length..];
        BinaryPrimitives.WriteUInt16BigEndian(tcp[2..], 80);
        tcp[12] = 0x50;
        tcp[13] = (byte)TcpFlags.Ack;
        return frame;
    }
}
