using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using System.Text.Json;
using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.Io.Tests;

public sealed class TapDeviceTests
{
    [Fact]
    public void A_pod_TAP_looks_to_ip_as_it_was_asked_for()
    {
        using var ns = new TestNamespace();
        using TapPort port = TapDevice.Create(TestTap.PodSettings(ns) with
        {
            Addresses = [TapAddress.Host(TestTap.Pod), TapAddress.Host(IpAddress.Parse("fd00:1::105"))],
            Routes = [.. TapRoute.ThroughRouter(TestTap.Router), .. TapRoute.ThroughRouter(IpAddress.Parse("fd00:1::1"))],
        });

        JsonElement link = Command.Json("ip", $"-j -n {ns.Name} addr show dev eth0")[0];
        Assert.Equal("0a:00:00:00:01:05", link.GetProperty("address").GetString());
        Assert.Equal(1450, link.GetProperty("mtu").GetInt32());
        Assert.Contains("UP", link.GetProperty("flags").EnumerateArray().Select(f => f.GetString()));
        Assert.Equal(port.InterfaceIndex, link.GetProperty("ifindex").GetInt32());
        JsonElement[] addresses = [.. link.GetProperty("addr_info").EnumerateArray()];
        Assert.Contains(addresses, a => a.GetProperty("local").GetString() == "10.0.1.105" && a.GetProperty("prefixlen").GetInt32() == 32);
        JsonElement ipv6 = Assert.Single(addresses, a => a.GetProperty("local").GetString() == "fd00:1::105");
        Assert.Equal(128, ipv6.GetProperty("prefixlen").GetInt32());
        Assert.False(ipv6.TryGetProperty("tentative", out _), "the address is usable at once");

        Assert.Equal(["default via 10.0.1.1 dev eth0", "10.0.1.1 dev eth0 scope link"], ns.IpLines("route"));
        string[] routes = ns.IpLines("-6 route");
        Assert.Contains("default via fd00:1::1 dev eth0 metric 1024 pref medium", routes);
        Assert.Contains("fd00:1::1 dev eth0 metric 1024 pref medium", routes);
        Assert.Contains("LOOPBACK,UP", ns.Ip("link show dev lo"), StringComparison.Ordinal);
        Assert.Equal(TestTap.PodMac, port.Mac);
        Assert.Equal("default/curl-pod", port.Name);
    }

    [Fact]
    public void Without_a_MAC_the_random_one_of_the_kernel_can_be_read()
    {
        using var ns = new TestNamespace();
        using TapPort port = TapDevice.Create(new TapSettings("host", ns.Name, "cmesh_host", 1500));
        string? shown = Command.Json("ip", $"-j -n {ns.Name} link show dev cmesh_host")[0].GetProperty("address").GetString();
        Assert.Equal(shown, port.Mac.ToString());
        Assert.False(port.Mac.IsGroup);
    }

    [Theory]
    [InlineData(null, 1000)]
    [InlineData(8192, 8192)]
    public void The_queue_is_as_long_as_asked_for(int? asked, int shown)
    {
        using var ns = new TestNamespace();
        using TapPort port = TapDevice.Create(new TapSettings("host", ns.Name, "eth0", 1500) { QueueLength = asked });
        Assert.Equal(shown, Command.Json("ip", $"-j -n {ns.Name} link show dev eth0")[0].GetProperty("txqlen").GetInt32());
    }

    [Fact]
    public void Onlink_prefix_and_protocol_of_routes_are_kept()
    {
        using var ns = new TestNamespace();
        using TapPort port = TapDevice.Create(new TapSettings("host", ns.Name, "eth0", 1500)
        {
            Addresses = [new TapAddress(IpAddress.Parse("172.18.0.5"), 16)],
            Routes =
            [
                new TapRoute(IpPrefix.Parse("10.9.0.0/16"), IpAddress.Parse("192.168.77.1"), OnLink: true),
                new TapRoute(IpPrefix.Parse("10.8.0.0/16"), IpAddress.Parse("172.18.0.1"), Protocol: RouteProtocol.Static),
            ],
        });
        Assert.Equal(
            [
                "10.8.0.0/16 via 172.18.0.1 dev eth0 proto static",
                "10.9.0.0/16 via 192.168.77.1 dev eth0 onlink",
                "172.18.0.0/16 dev eth0 proto kernel scope link src 172.18.0.5",
            ],
            ns.IpLines("route"));
    }

    [Fact]
    public void An_uplink_becomes_a_port_of_its_bridge()
    {
        using var ns = new TestNamespace();
        ns.Ip("link add br0 type bridge");
        using TapPort port = TapDevice.Create(new TapSettings("uplink", ns.Name, "uplink0", 1500) { Bridge = "br0" });
        Assert.Equal("br0", Command.Json("ip", $"-j -n {ns.Name} link show dev uplink0")[0].GetProperty("master").GetString());
    }

    [Fact]
    public void A_missing_bridge_is_named_and_nothing_stays()
    {
        using var ns = new TestNamespace();
        var e = Assert.Throws<DeviceException>(() => TapDevice.Create(new TapSettings("uplink", ns.Name, "uplink0", 1500) { Bridge = "br0" }));
        Assert.Equal(
            $"uplink: bridge br0 does not exist in namespace {ns.Name}; create it with: ip -n {ns.Name} link add br0 type bridge", e.Message);
        AssertNothingStays(ns);
    }

    [Fact]
    public void A_missing_namespace_is_named_with_the_pod()
    {
        var e = Assert.Throws<DeviceException>(() => TapDevice.Create(new TapSettings("default/curl-pod", "cmt-absent", "eth0", 1500)));
        Assert.Equal(
            "default/curl-pod: network namespace 'cmt-absent' does not exist (/run/netns/cmt-absent); create it with: ip netns add cmt-absent", e.Message);
    }

    [Theory]
    [InlineData("link add eth0 type veth peer name eth1", false)]
    [InlineData("tuntap add dev eth0 mode tap", true)]
    [InlineData("tuntap add dev eth0 mode tap multi_queue vnet_hdr", true)]
    public void An_interface_that_is_there_already_is_left_alone(string made, bool mayBeGoing)
    {
        using var ns = new TestNamespace();
        ns.Ip(made);
        string before = ns.Ip("link show dev eth0");
        long start = Stopwatch.GetTimestamp();
        var e = Assert.Throws<DeviceException>(() => TapDevice.Create(TestTap.PodSettings(ns) with { Name = "host" }));
        Assert.Equal($"host: interface eth0 in namespace {ns.Name} is already there (is another forwarder running for it?)", e.Message);
        Assert.Equal(mayBeGoing, Stopwatch.GetElapsedTime(start) > TimeSpan.FromSeconds(1));
        Assert.Equal(before, ns.Ip("link show dev eth0"));
    }

    [Fact]
    public void A_live_forwarders_TAP_is_left_alone()
    {
        using var ns = new TestNamespace();
        using TapPort port = TapDevice.Create(TestTap.PodSettings(ns));
        var e = Assert.Throws<DeviceException>(() => TapDevice.Create(TestTap.PodSettings(ns)));
        Assert.Contains("is already there", e.Message, StringComparison.Ordinal);
        Assert.Equal(["eth0", "lo"], Interfaces(ns));
    }

    [Fact]
    public void A_TAP_whose_process_is_just_going_is_waited_for()
    {
        using var ns = new TestNamespace();
        TapPort old = TapDevice.Create(TestTap.PodSettings(ns));

        // The kernel needs 100 to 200 ms to remove the TAPs of a killed process; this stands for it.
        using var departure = new Timer(_ => old.Dispose(), null, 200, Timeout.Infinite);
        using TapPort port = TapDevice.Create(TestTap.PodSettings(ns));
        Assert.NotEqual(old.InterfaceIndex, port.InterfaceIndex);
    }

    [Fact]
    public void Closing_and_creating_again_at_once_works_many_times()
    {
        using var ns = new TestNamespace();
        for (int i = 0; i < 20; i++)
        {
            TapDevice.Create(TestTap.PodSettings(ns)).Dispose();
        }

        AssertNothingStays(ns);
    }

    [Fact]
    public void A_TAP_that_no_port_holds_any_more_goes()
    {
        using var ns = new TestNamespace();
        TapDevice.Create(TestTap.PodSettings(ns)).Dispose();
        AssertNothingStays(ns);
        Assert.Empty(ns.IpLines("route"));
    }

    public static TheoryData<TapSettings, string> Refusals => new()
    {
        { new TapSettings("p", "", "tap%d", 1500), "'tap%d' is no interface name; give 1 to 15 characters without" },
        { new TapSettings("p", "", "a-name-too-long0", 1500), "'a-name-too-long0' is no interface name" },
        { new TapSettings("p", "", "", 1500), "'' is no interface name" },
        { new TapSettings("p", "", "eth0", 1500) { Offloads = (TapOffloads)0x180 }, "offloads 180 of interface eth0: only 6f can be read" },
        { new TapSettings("p", "", "eth0", 1500) { Offloads = TapOffloads.TcpIpv4 }, "TUNSETOFFLOAD 0x2: EINVAL (Invalid argument); TSO and USO need Checksum" },
        { new TapSettings("p", "", "eth0", 10), "interface eth0: set MTU 10: EINVAL (Invalid argument): mtu less than device minimum" },
        { new TapSettings("p", "", "eth0", 1500) { Mac = MacAddress.Broadcast }, "interface eth0: set MAC ff:ff:ff:ff:ff:ff: EADDRNOTAVAIL (Cannot assign requested address)" },
        { new TapSettings("p", "", "eth0", 1500) { Addresses = [new TapAddress(TestTap.Pod, 33)] }, "interface eth0: add address 10.0.1.105/33: the prefix has 0 to 32 bits" },
        { new TapSettings("p", "", "eth0", 1500) { Addresses = [new TapAddress(TestTap.Pod, 32), new TapAddress(TestTap.Pod, 32)] }, "add address 10.0.1.105/32: EEXIST" },
        { new TapSettings("p", "", "eth0", 1500) { Routes = [new TapRoute(IpPrefix.Parse("10.0.0.0/8"), TestTap.Router)] }, "interface eth0: add route 10.0.0.0/8 via 10.0.1.1: ENETUNREACH (Network is unreachable): Nexthop has invalid gateway" },
        { new TapSettings("p", "", "eth0", 1500) { Routes = [new TapRoute(IpPrefix.Parse("fd00::/8"), TestTap.Router)] }, "the next hop is of the other address family" },
    };

    [Theory]
    [MemberData(nameof(Refusals))]
    public void What_cannot_be_is_refused_in_a_sentence_and_nothing_stays(TapSettings settings, string sentence)
    {
        using var ns = new TestNamespace();
        var e = Assert.Throws<DeviceException>(() => TapDevice.Create(settings with { Namespace = ns.Name }));
        Assert.StartsWith("p: ", e.Message, StringComparison.Ordinal);
        Assert.Contains(sentence, e.Message, StringComparison.Ordinal);
        AssertNothingStays(ns);
    }

    [Fact]
    public void A_device_with_queues_spreads_flows_over_them_and_lives_until_the_last_is_closed()
    {
        using var ns = new TestNamespace(withIpv6: false);
        TapPort[] queues = TapDevice.CreateQueues(TestTap.PodSettings(ns) with { Interface = "eth0" }, 2);
        ns.Ip($"neigh replace 10.0.1.1 lladdr {TestTap.RouterMac} dev eth0");
        using NetworkNamespace opened = NetworkNamespace.Open(ns.Name);
        const int FlowCount = 64;
        for (int i = 0; i < FlowCount; i++)
        {
            using Socket socket = opened.Run(() => new Socket(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp));
            socket.SendTo(new byte[10], new IPEndPoint(IPAddress.Parse("10.0.2.7"), 5_000 + i));
        }

        byte[] buffer = new byte[TapPort.LongestFrame];
        int[] counts = [.. queues.Select(Count)];
        Assert.Equal(FlowCount, counts.Sum());
        Assert.All(counts, c => Assert.InRange(c, 1, FlowCount - 1));

        queues[0].Dispose();
        Assert.Contains("eth0", ns.Ip("-o link"), StringComparison.Ordinal);
        queues[1].Dispose();
        Assert.DoesNotContain("eth0", ns.Ip("-o link"), StringComparison.Ordinal);

        int Count(TapPort port)
        {
            int count = 0;
            while (port.TryReceive(buffer, out _) == PortStatus.Done)
            {
                count += TestTap.Ipv4Protocol(buffer) == 17 ? 1 : 0;
            }

            return count;
        }
    }

    [Fact]
    public void An_IPv6_address_where_IPv6_is_disabled_says_so()
    {
        using var ns = new TestNamespace(withIpv6: false);
        var e = Assert.Throws<DeviceException>(() => TapDevice.Create(TestTap.PodSettings(ns) with { Addresses = [TapAddress.Host(IpAddress.Parse("fd00::1"))] }));
        Assert.EndsWith("add address fd00::1/128: EACCES (Permission denied): ipv6: IPv6 is disabled on this device", e.Message, StringComparison.Ordinal);
        AssertNothingStays(ns);
    }

    /// <summary>
    /// Waits, because a program that another test starts at this moment holds a copy of our descriptors between fork and exec: until then
    /// the kernel has not seen the last close.
    /// </summary>
    private static void AssertNothingStays(TestNamespace ns)
    {
        long start = Stopwatch.GetTimestamp();
        while (!Interfaces(ns).SequenceEqual(["lo"]) && Stopwatch.GetElapsedTime(start) < TimeSpan.FromSeconds(5))
        {
            Thread.Sleep(1);
        }

        Assert.Equal(["lo"], Interfaces(ns));
    }

    private static string[] Interfaces(TestNamespace ns) =>
        [.. Command.Json("ip", $"-j -n {ns.Name} link show").EnumerateArray().Select(l => l.GetProperty("ifname").GetString()!).Order(StringComparer.Ordinal)];
}
