using System.Diagnostics;
using ClusterMesh.Datapath.Pipeline;
using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.Io.Tests;

/// <summary>The TAPs most tests use, and waiting for a frame on them.</summary>
internal static class TestTap
{
    public static readonly MacAddress PodMac = MacAddress.Parse("0a:00:00:00:01:05");
    public static readonly MacAddress RouterMac = MacAddress.Parse("0a:00:00:00:00:01");
    public static readonly IpAddress Pod = IpAddress.Parse("10.0.1.105");
    public static readonly IpAddress Router = IpAddress.Parse("10.0.1.1");

    public static TapSettings PodSettings(TestNamespace ns) => new("default/curl-pod", ns.Name, "eth0", 1450)
    {
        Mac = PodMac,
        Addresses = [TapAddress.Host(Pod)],
        Routes = TapRoute.ThroughRouter(Router),
        WithLoopback = true,
    };

    /// <summary>The next frame (virtio header and Ethernet) that the predicate takes; others are noise of a fresh device (IPv6 solicitations).</summary>
    public static byte[] Receive(TapPort port, Predicate<byte[]> wanted)
    {
        using var poller = new PortPoller();
        poller.Add(port, 0);
        byte[] buffer = new byte[TapPort.LongestFrame];
        long start = Stopwatch.GetTimestamp();
        var limit = TimeSpan.FromSeconds(5);
        while (Stopwatch.GetElapsedTime(start) < limit)
        {
            poller.Wait(new int[1], 100);
            while (port.TryReceive(buffer, out int length) == PortStatus.Done)
            {
                byte[] frame = buffer[..length];
                if (wanted(frame))
                {
                    return frame;
                }
            }
        }

        throw new TimeoutException($"{port}: no such frame within {limit.TotalSeconds} s");
    }

    public static ushort EtherType(byte[] frame) => (ushort)(frame[VirtioNetHeader.Length + 12] << 8 | frame[VirtioNetHeader.Length + 13]);

    /// <summary>The IPv4 protocol; -1 for other frames.</summary>
    public static int Ipv4Protocol(byte[] frame) => EtherType(frame) == 0x0800 ? frame[VirtioNetHeader.Length + 14 + 9] : -1;
}
