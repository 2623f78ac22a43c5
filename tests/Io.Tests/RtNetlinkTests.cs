using System.Runtime.CompilerServices;
using ClusterMesh.Datapath.Io.Native;
using Tmds.Linux;

namespace ClusterMesh.Datapath.Io.Tests;

public sealed class RtNetlinkTests
{
    [Fact]
    public void Structures_are_as_long_as_the_kernels()
    {
        Assert.Equal(16, Unsafe.SizeOf<NetlinkHeader>());
        Assert.Equal(16, Unsafe.SizeOf<LinkHeader>());
        Assert.Equal(8, Unsafe.SizeOf<AddressHeader>());
        Assert.Equal(12, Unsafe.SizeOf<RouteHeader>());
        Assert.Equal(12, Unsafe.SizeOf<epoll_event>());
    }

    [Fact]
    public void Attributes_are_padded_with_zeros_and_read_back()
    {
        byte[] buffer = new byte[64];
        buffer.AsSpan().Fill(0xFF);
        var message = new NetlinkMessage(buffer, 1, 2, 3);
        message.AddAttribute(7, "eth0");
        message.AddAttribute(8, 0x01020304u);
        Assert.Equal(16 + 12 + 8, message.Bytes.Length);
        Assert.Equal(0, message.Bytes[16 + 4 + 5]);

        var attributes = new NetlinkAttributes(message.Bytes[16..]);
        Assert.True(attributes.TryRead(out ushort type, out ReadOnlySpan<byte> value));
        Assert.Equal((7, "eth0"), (type, NetlinkAttributes.Text(value)));
        Assert.True(attributes.TryRead(out type, out value));
        Assert.Equal((8, 4), (type, value.Length));
        Assert.False(attributes.TryRead(out _, out _));
    }

    [Theory]
    [InlineData(new byte[] { 3, 0, 1, 0 })]
    [InlineData(new byte[] { 9, 0, 1, 0, 1, 2, 3, 4 })]
    [InlineData(new byte[] { 4, 0 })]
    public void A_broken_attribute_ends_the_walk(byte[] bytes) => Assert.False(new NetlinkAttributes(bytes).TryRead(out _, out _));

    [Fact]
    public void A_link_is_described_as_ip_does()
    {
        using var test = new TestNamespace();
        test.Ip("link add br0 address 0a:00:00:00:00:77 type bridge");
        test.Ip("link set br0 mtu 1400");
        test.Ip("link add v0 master br0 type veth peer name v1");
        using NetworkNamespace ns = NetworkNamespace.Open(test.Name);
        using RtNetlink netlink = ns.Run(RtNetlink.Open);
        Link bridge = netlink.FindLink("br0")!;
        Assert.Equal(("br0", "bridge", "0a:00:00:00:00:77", 1400, false, 2), (bridge.Name, bridge.Kind, bridge.Mac.ToString(), bridge.Mtu, bridge.IsUp, bridge.OperationalState));
        Assert.Equal(bridge.Index, netlink.FindLink("v0")!.MasterIndex);
        Assert.Equal(("lo", ""), (netlink.FindLink("lo")!.Name, netlink.FindLink("lo")!.Kind));
        Assert.Null(netlink.FindLink("eth0"));
    }
}
