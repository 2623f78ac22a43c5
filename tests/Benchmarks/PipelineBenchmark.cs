using System.Buffers.Binary;
using ClusterMesh.Datapath.Pipeline;
using ClusterMesh.Datapath.State;
using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.Benchmarks;

/// <summary>The whole pipeline without devices: 64-byte TCP packets of established flows, one after the other, from one pod.</summary>
internal static class PipelineBenchmark
{
    private const int PacketCount = 1 << 20;
    private const int PortCount = 50_000;

    public static void Run()
    {
        Measure("ClusterIP to the other cluster, 1 flow", SampleNode.FrontendOf, flowCount: 1);
        Measure("ClusterIP to the other cluster, 1,000 flows", SampleNode.FrontendOf, flowCount: 1_000);
        Measure("ClusterIP to the other cluster, 1,000,000 flows", SampleNode.FrontendOf, flowCount: 1_000_000);
        Measure("outside, masqueraded, 1,000 flows", i => IpAddress.FromIpv4(0xC633_6400u + (uint)i), flowCount: 1_000);
    }

    private static void Measure(string name, Func<int, IpAddress> destinationOf, int flowCount)
    {
        int destinationCount = ((flowCount - 1) / PortCount) + 1;
        var writer = new StateWriter(SampleNode.Local(), seed: 1);
        Snapshot snapshot = writer.Commit(writer.Plan(SampleNode.Change(Math.Max(1, destinationCount))));
        var live = new LiveTables(writer.Desired.Local.ConntrackEntries, writer.Desired.Local.SnatEntries, seed: 1);
        MonoTime now = MonoTime.FromSeconds(1000);
        live.Neighbors.Learn(IpAddress.Parse("172.18.0.2"), new MacAddress(0x0200_0000_0009), isSolicited: true, create: true, now);
        live.Neighbors.Learn(IpAddress.Parse("172.18.0.1"), new MacAddress(0x0200_0000_0008), isSolicited: true, create: true, now);

        var run = new Loop(new PacketPipeline(live), snapshot, writer.Ports["default/curl-pod"].Id, [.. Enumerable.Range(0, destinationCount).Select(d => Frame(destinationOf(d)))]);
        run.Send(flowCount, Math.Max(flowCount, 200_000), now); // Every flow is known, every tier has settled.
        run.Send(flowCount, PacketCount, now);
        long before = GC.GetAllocatedBytesForCurrentThread();
        long transmitted = 0;
        double[] times = Sample.Microseconds(5, _ => transmitted += run.Send(flowCount, PacketCount, now));
        long allocated = GC.GetAllocatedBytesForCurrentThread() - before;
        Console.WriteLine(
            $"pipeline: {name}: {Sample.Range(times, PacketCount / 1000.0)} ns a packet; "
            + $"{transmitted * 100.0 / (5L * PacketCount):f0} % transmitted, {allocated} bytes allocated in all");
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

    /// <summary>Sends packets of so many flows, spread so that neighbours in time are not neighbours in the tables.</summary>
    private sealed class Loop(PacketPipeline pipeline, Snapshot snapshot, int port, byte[][] frames)
    {
        private const int Stride = 7919;
        private readonly byte[] _buffer = new byte[PacketContext.BufferLength];

        public int Send(int flowCount, int packetCount, MonoTime now)
        {
            int transmitted = 0;
            int flow = 0;
            for (int i = 0; i < packetCount; i++)
            {
                flow = flowCount == 1 ? 0 : (flow + Stride) % flowCount;
                byte[] frame = frames[flow / PortCount];
                frame.CopyTo(_buffer.AsSpan(PacketContext.Headroom));
                BinaryPrimitives.WriteUInt16BigEndian(
                    _buffer.AsSpan(PacketContext.Headroom + EthernetHeader.Length + IpHeader.Ipv4Length), (ushort)(10_000 + (flow % PortCount)));
                var p = new PacketContext(_buffer, PacketContext.Headroom, frame.Length, default, port);
                transmitted += pipeline.Process(ref p, snapshot, now) == Verdict.Transmit ? 1 : 0;
            }

            return transmitted;
        }
    }
}
