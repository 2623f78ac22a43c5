using System.Buffers.Binary;
using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using ClusterMesh.Datapath.Io.Native;
using ClusterMesh.Datapath.Pipeline;
using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.Io.Tests;

public sealed class TapPortTests : IDisposable
{
    private const int Ethernet = VirtioNetHeader.Length;
    private const int Ip = Ethernet + 14;
    private const int Transport = Ip + 20;

    private readonly TestNamespace _ns = new(withIpv6: false);
    private readonly List<IDisposable> _owned = [];
    private readonly byte[] _buffer = new byte[TapPort.LongestFrame];

    public void Dispose()
    {
        _owned.ForEach(o => o.Dispose());
        _ns.Dispose();
    }

    [Fact]
    public void A_pod_pings_a_router_that_answers_by_hand()
    {
        TapPort port = Create(TestTap.PodSettings(_ns));
        using Process ping = Command.Start("ip", $"netns exec {_ns.Name} ping -n -c1 -W3 10.0.2.7");

        byte[] arp = TestTap.Receive(port, f => TestTap.EtherType(f) == 0x0806);
        Assert.Equal(TestTap.Router, IpAddress.FromBytes(arp.AsSpan(Ip + 24, 4)));
        Assert.Equal(TestTap.Pod, IpAddress.FromBytes(arp.AsSpan(Ip + 14, 4)));
        Assert.Equal(PortStatus.Done, port.TryTransmit(ArpReply(arp)));

        byte[] echo = TestTap.Receive(port, f => TestTap.Ipv4Protocol(f) == 1);
        Assert.Equal(TestTap.RouterMac, MacAddress.FromBytes(echo.AsSpan(Ethernet)));
        Assert.Equal(TestTap.PodMac, MacAddress.FromBytes(echo.AsSpan(Ethernet + 6)));
        Assert.Equal(VirtioNetHeader.Length + 14 + 84, echo.Length);
        Assert.Equal(PortStatus.Done, port.TryTransmit(EchoReply(echo)));

        (int code, string output) = Command.Finish(ping);
        Assert.True(code == 0, output);
    }

    [Theory]
    [InlineData(11, PortStatus.Again)] // EAGAIN
    [InlineData(5, PortStatus.Refused)] // EIO: the link is down
    [InlineData(28, PortStatus.Refused)] // ENOSPC: in no kernel's documentation, and no reason to give the port up
    [InlineData(16, PortStatus.Refused)] // EBUSY
    [InlineData(77, PortStatus.Gone)] // EBADFD: the device was deleted
    [InlineData(14, PortStatus.Gone)] // EFAULT: it is being deleted
    public void Only_errors_of_a_deleted_device_end_a_port(int error, PortStatus status) => Assert.Equal(status, TunFile.StatusOf(error));

    [Fact]
    public void With_offloads_a_partial_checksum_and_a_super_packet_come_whole()
    {
        TapPort port = Create(TestTap.PodSettings(_ns));
        SendSegmented(5_000, 1_000);
        byte[] frame = TestTap.Receive(port, f => TestTap.Ipv4Protocol(f) == 17);
        VirtioNetHeader header = VirtioNetHeader.Read(frame);
        Assert.Equal(Transport + 8 + 5_000, frame.Length);
        Assert.True(header.HasPartialChecksum);
        Assert.True(header.IsSuperPacket);
        Assert.Equal((1_000, 34, 6), (header.SegmentLength, header.ChecksumStart, header.ChecksumOffset));
    }

    [Fact]
    public void Without_offloads_the_kernel_cuts_and_sums_itself()
    {
        TapPort port = Create(TestTap.PodSettings(_ns) with { Offloads = TapOffloads.None });
        SendSegmented(5_000, 1_000);
        for (int i = 0; i < 5; i++)
        {
            byte[] frame = TestTap.Receive(port, f => TestTap.Ipv4Protocol(f) == 17);
            Assert.Equal(Transport + 8 + 1_000, frame.Length);
            Assert.Equal(default, VirtioNetHeader.Read(frame));
        }
    }

    [Fact]
    public void A_buffer_that_could_cut_a_frame_is_refused()
    {
        TapPort port = Create(TestTap.PodSettings(_ns));
        Assert.Throws<ArgumentException>(() => port.TryReceive(new byte[TapPort.LongestFrame - 1], out _));

        // Why: the kernel cuts and says that all is well. A layer below, past the check:
        SendSegmented(1_000, 1_000);
        Assert.Equal(PortStatus.Done, port.Tun.Read(_buffer.AsSpan(0, 64), out int length));
        Assert.Equal(64, length);
    }

    [Fact]
    public void Nothing_waits_and_nothing_fits()
    {
        TapPort port = Create(Plain("tap0"));
        Assert.Equal(PortStatus.Again, port.TryReceive(_buffer, out int length));
        Assert.Equal(0, length);
        Assert.Equal(PortStatus.Refused, port.TryTransmit(new byte[VirtioNetHeader.Length + 13]));
        Assert.Equal(PortStatus.Refused, port.TryTransmit(default));
        byte[] frame = new byte[100];
        new VirtioNetHeader(VirtioNetFlags.NeedsChecksum, VirtioGsoType.None, 0, 0, 1_000, 0).WriteTo(frame);
        Assert.Equal(PortStatus.Refused, port.TryTransmit(frame));
    }

    [Fact]
    public void A_link_that_is_down_refuses_and_comes_back()
    {
        TapPort port = Create(Plain("tap0"));
        _ns.Ip("link set tap0 down");
        Assert.Equal(PortStatus.Refused, port.TryTransmit(new byte[74]));
        _ns.Ip("link set tap0 up");
        Assert.Equal(PortStatus.Done, port.TryTransmit(new byte[74]));
    }

    [Fact]
    public void A_deleted_device_is_gone_without_exceptions()
    {
        TapPort port = Create(Plain("tap0"));
        _ns.Ip("link del tap0");
        AssertGone(port);
    }

    [Fact]
    public void A_disposed_port_is_gone()
    {
        TapPort port = Create(Plain("tap0"));
        port.Dispose();
        port.Dispose();
        AssertGone(port);
    }

    [Fact]
    public void An_open_port_keeps_its_device_after_the_name_of_the_namespace_was_deleted()
    {
        TapPort port = Create(Plain("tap0"));
        _ns.Dispose();
        Assert.Equal(PortStatus.Done, port.TryTransmit(new byte[74]));
        Assert.Equal(PortStatus.Again, port.TryReceive(_buffer, out _));
    }

    [Fact]
    public void Frames_cost_no_memory()
    {
        // Two TAPs on a bridge: what one transmits, the other receives.
        _ns.Ip("link add br0 up type bridge mcast_snooping 0");
        TapPort left = Create(Plain("left0") with { Bridge = "br0" });
        TapPort right = Create(Plain("right0") with { Bridge = "br0" });
        using var poller = new PortPoller();
        poller.Add(right, 7);
        int[] ready = new int[4];
        byte[] frame = new byte[VirtioNetHeader.Length + 64];
        MacAddress.Broadcast.WriteTo(frame.AsSpan(Ethernet));
        TestTap.RouterMac.WriteTo(frame.AsSpan(Ethernet + 6));
        BinaryPrimitives.WriteUInt16BigEndian(frame.AsSpan(Ethernet + 12), 0x88B5); // IEEE 802 local experimental

        Exchange(10_000); // tiers settle
        long before = GC.GetAllocatedBytesForCurrentThread();
        long receivedCount = Exchange(10_000);
        Assert.Equal(before, GC.GetAllocatedBytesForCurrentThread());
        Assert.Equal(10_000, receivedCount);

        long Exchange(int count)
        {
            long received = 0;
            for (int i = 0; i < count; i++)
            {
                if (left.TryTransmit(frame) != PortStatus.Done || poller.Wait(ready, 5_000) != 1 || ready[0] != 7)
                {
                    return received;
                }

                bool mine = false;
                while (right.TryReceive(_buffer, out int length) == PortStatus.Done)
                {
                    mine |= length == frame.Length && _buffer.AsSpan(Ethernet, length - Ethernet).SequenceEqual(frame.AsSpan(Ethernet));
                }

                poller.Wait(ready, 0);
                received += mine ? 1 : 0;
            }

            return received;
        }
    }

    private TapPort Create(TapSettings settings)
    {
        TapPort port = TapDevice.Create(settings);
        _owned.Add(port);
        return port;
    }

    private TapSettings Plain(string name) => new(name, _ns.Name, name, 1500);

    private void AssertGone(TapPort port)
    {
        Assert.Equal(PortStatus.Gone, port.TryReceive(_buffer, out int length));
        Assert.Equal(0, length);
        Assert.Equal(PortStatus.Gone, port.TryTransmit(new byte[74]));
    }

    /// <summary>One send of a UDP socket in the pod that the kernel may leave whole (UDP_SEGMENT of udp(7)).</summary>
    private void SendSegmented(int length, int segmentLength)
    {
        const int SolUdp = 17;
        const int UdpSegment = 103;
        _ns.Ip($"neigh replace 10.0.1.1 lladdr {TestTap.RouterMac} dev eth0");
        using NetworkNamespace ns = NetworkNamespace.Open(_ns.Name);
        using Socket socket = ns.Run(() => new Socket(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp));
        socket.SetRawSocketOption(SolUdp, UdpSegment, BitConverter.GetBytes(segmentLength));
        socket.SendTo(new byte[length], new IPEndPoint(IPAddress.Parse("10.0.2.7"), 5_000));
    }

    private static byte[] ArpReply(byte[] request)
    {
        byte[] reply = request.AsSpan(0, Ip + 28).ToArray();
        request.AsSpan(Ethernet + 6, 6).CopyTo(reply.AsSpan(Ethernet));
        TestTap.RouterMac.WriteTo(reply.AsSpan(Ethernet + 6));
        reply[Ip + 7] = 2;
        TestTap.RouterMac.WriteTo(reply.AsSpan(Ip + 8));
        request.AsSpan(Ip + 24, 4).CopyTo(reply.AsSpan(Ip + 14));
        request.AsSpan(Ip + 8, 10).CopyTo(reply.AsSpan(Ip + 18));
        return reply;
    }

    private static byte[] EchoReply(byte[] request)
    {
        byte[] reply = [.. request];
        request.AsSpan(Ethernet + 6, 6).CopyTo(reply.AsSpan(Ethernet));
        request.AsSpan(Ethernet, 6).CopyTo(reply.AsSpan(Ethernet + 6));
        request.AsSpan(Ip + 12, 4).CopyTo(reply.AsSpan(Ip + 16));
        request.AsSpan(Ip + 16, 4).CopyTo(reply.AsSpan(Ip + 12));

        // Type 8 becomes 0: the sum grows by as much as the word shrinks (RFC 1624, with the carry).
        reply[Transport] = 0;
        int sum = BinaryPrimitives.ReadUInt16BigEndian(reply.AsSpan(Transport + 2)) + 0x0800;
        BinaryPrimitives.WriteUInt16BigEndian(reply.AsSpan(Transport + 2), (ushort)(sum + (sum >> 16)));
        return reply;
    }
}
