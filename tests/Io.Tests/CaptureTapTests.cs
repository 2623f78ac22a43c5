using ClusterMesh.Datapath.Pipeline;
using ClusterMesh.Datapath.Testing;
using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.Io.Tests;

/// <summary>What a tap keeps, what a full ring loses, and that neither costs the worker memory.</summary>
public sealed class CaptureTapTests
{
    private const int FrameLength = 98;
    private readonly ArrayFrames _frames = new(4);
    private readonly Burst _burst;
    private readonly MonoTime _now = MonoTime.FromSeconds(5);

    public CaptureTapTests() => _burst = new Burst(_frames);

    [Fact]
    public void A_frame_is_there_as_it_came_and_as_it_left()
    {
        using var tap = new CaptureTap(new CaptureFilter(), CapturePoints.Both, 64, worker: 2, ringLength: 4096);
        Fill(Verdict.Transmit, Verdict.Drop, Verdict.Joined, Verdict.HandedOver);
        tap.Note(_burst);
        _frames.BufferOf(0)[PacketContext.Headroom] = 0xEE; // A stage rewrites it.
        tap.Take(_burst, 0, 4, _now);
        Assert.Equal((CapturePoints.Received, Verdict.Transmit, 3, 9, FrameLength, 64, (byte)0x11), Next(tap));
        Assert.Equal((CapturePoints.Left, Verdict.Transmit, 3, 9, FrameLength, 64, (byte)0xEE), Next(tap));
        Assert.Equal((CapturePoints.Received, Verdict.Drop, 3, -1, FrameLength, 64, (byte)0x11), Next(tap));
        Assert.False(tap.Ring.TryRead(out _));
    }

    [Fact]
    public void A_full_ring_loses_frames_and_counts_them_and_goes_on_when_there_is_room()
    {
        using var tap = new CaptureTap(new CaptureFilter(), CapturePoints.Received, 64, worker: 0, ringLength: 1024); // 9 records of 108 bytes, with prefix and padding 112.
        Fill(Verdict.Transmit);
        for (int i = 0; i < 20; i++)
        {
            tap.Note(_burst);
            tap.Take(_burst, 0, 1, _now);
        }

        Assert.Equal(11ul, tap.LostCount);
        ulong last = 0;
        for (int round = 0; round < 1000; round++)
        {
            // One out, one in: the ring is at every place of its memory once, and wraps.
            Assert.True(tap.Ring.TryRead(out ReadOnlySpan<byte> record));
            ulong packet = CaptureRecord.Read(record).Packet;
            Assert.True(packet > last, $"{packet} behind {last}");
            last = packet;
            tap.Ring.Release();
            tap.Note(_burst);
            tap.Take(_burst, 0, 1, _now);
        }
    }

    [Fact]
    public void Nothing_is_allocated()
    {
        using var tap = new CaptureTap(new CaptureFilter { Hosts = [[IpAddress.Parse("10.0.0.1")]], Ports = [80] }, CapturePoints.Both, 65550, worker: 0, ringLength: 1 << 16);
        Fill(Verdict.Transmit, Verdict.Drop);
        for (int run = 0; ; run++)
        {
            long before = GC.GetAllocatedBytesForCurrentThread();
            for (int i = 0; i < 1000; i++)
            {
                tap.Note(_burst);
                tap.Take(_burst, 0, 2, _now);
                while (tap.Ring.TryRead(out _))
                {
                    tap.Ring.Release();
                }
            }

            if (run == 2)
            {
                Assert.Equal(before, GC.GetAllocatedBytesForCurrentThread());
                return;
            }
        }
    }

    [Theory]
    [InlineData("10.0.0.1", 80, true)]
    [InlineData("10.2.0.1", 80, true)]
    [InlineData("10.0.0.9", 80, true)]
    [InlineData("10.0.0.7", 80, false)]
    [InlineData("10.0.0.1", 8080, true)]
    [InlineData("10.0.0.1", 81, false)]
    public void Ends_count_before_and_behind_the_translations(string host, ushort port, bool takes)
    {
        var filter = new CaptureFilter { Hosts = [[IpAddress.Parse(host)]], Ports = [port], Protocol = IpProtocol.Tcp };
        var received = new FlowKey(IpAddress.Parse("10.0.0.1"), IpAddress.Parse("10.2.0.1"), 40000, 80, IpProtocol.Tcp);
        Assert.Equal(takes, filter.Takes(received, received with { Destination = IpAddress.Parse("10.0.0.9"), DestinationPort = 8080 }));
        Assert.False(filter.Takes(received with { Protocol = IpProtocol.Udp }, default));
    }

    private void Fill(params Verdict[] verdicts)
    {
        _burst.Clear();
        for (int i = 0; i < verdicts.Length; i++)
        {
            Span<byte> frame = _frames.BufferOf(i).Slice(PacketContext.Headroom, FrameLength);
            TestPacket.Tcp(IpAddress.Parse("10.0.0.1"), 40000, IpAddress.Parse("10.2.0.1"), 80).Frame(default, default).CopyTo(frame);
            frame[0] = 0x11;
            _burst.Add(new BurstFrame { Buffer = i, Start = PacketContext.Headroom, Length = FrameLength, IngressPort = 3, Verdict = verdicts[i], EgressPort = 9 });
        }
    }

    private static (CapturePoints, Verdict, int, int, int, int, byte) Next(CaptureTap tap)
    {
        Assert.True(tap.Ring.TryRead(out ReadOnlySpan<byte> bytes));
        var record = CaptureRecord.Read(bytes);
        var told = (record.Point, record.Verdict, record.IngressPort, record.EgressPort, record.FrameLength, bytes.Length - CaptureRecord.Length, bytes[CaptureRecord.Length]);
        Assert.Equal((2, 5u), (record.Worker, record.Time.Seconds));
        tap.Ring.Release();
        return told;
    }
}
