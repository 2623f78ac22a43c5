using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.Io.Tests;

public sealed class HostRouteTableTests : IDisposable
{
    private static readonly IpPrefix s_pods = IpPrefix.Parse("10.0.2.0/24");

    private readonly TestNamespace _ns = new();
    private readonly TapPort _host;
    private readonly HostRouteTable _routes;

    public HostRouteTableTests()
    {
        _host = TapDevice.Create(new TapSettings("host", _ns.Name, "cmesh_host", 1500)
        {
            Addresses = [new TapAddress(IpAddress.Parse("172.18.0.2"), 16), new TapAddress(IpAddress.Parse("fd01::2"), 64)],
        });
        _routes = HostRouteTable.Open(_ns.Name);
    }

    public void Dispose()
    {
        _routes.Dispose();
        _host.Dispose();
        _ns.Dispose();
    }

    [Fact]
    public void A_route_is_shown_as_the_kernels_own_replaced_and_deleted()
    {
        _routes.Replace(s_pods, IpAddress.Parse("172.18.0.3"), "cmesh_host");
        Assert.Equal(["10.0.2.0/24 via 172.18.0.3 dev cmesh_host proto kernel"], _ns.IpLines("route show 10.0.2.0/24"));
        _routes.Replace(s_pods, IpAddress.Parse("172.18.0.4"), "cmesh_host");
        Assert.Equal(["10.0.2.0/24 via 172.18.0.4 dev cmesh_host proto kernel"], _ns.IpLines("route show 10.0.2.0/24"));
        Assert.True(_routes.Delete(s_pods));
        Assert.Empty(_ns.IpLines("route show 10.0.2.0/24"));
        Assert.False(_routes.Delete(s_pods));
    }

    [Fact]
    public void IPv6_goes_the_same_way()
    {
        IpPrefix pods = IpPrefix.Parse("fd02::/64");
        _routes.Replace(pods, IpAddress.Parse("fd01::3"), "cmesh_host");
        _routes.Replace(pods, IpAddress.Parse("fd01::4"), "cmesh_host");
        Assert.Equal(["fd02::/64 via fd01::4 dev cmesh_host proto kernel metric 1024 pref medium"], _ns.IpLines("-6 route show fd02::/64"));
        Assert.True(_routes.Delete(pods));
        Assert.False(_routes.Delete(pods));
    }

    [Fact]
    public void A_route_says_which_address_the_node_then_has()
    {
        _routes.Replace(s_pods, IpAddress.Parse("172.18.0.3"), "cmesh_host", IpAddress.Parse("172.18.0.2"));
        Assert.Equal(["10.0.2.0/24 via 172.18.0.3 dev cmesh_host proto kernel src 172.18.0.2"], _ns.IpLines("route show 10.0.2.0/24"));
        _routes.Replace(IpPrefix.Parse("fd02::/64"), IpAddress.Parse("fd01::3"), "cmesh_host", IpAddress.Parse("fd01::2"));
        Assert.Equal(["fd02::/64 via fd01::3 dev cmesh_host proto kernel src fd01::2 metric 1024 pref medium"], _ns.IpLines("-6 route show fd02::/64"));
        Assert.Throws<DeviceException>(() => _routes.Replace(s_pods, IpAddress.Parse("172.18.0.3"), "cmesh_host", IpAddress.Parse("192.0.2.1")));
    }

    [Fact]
    public void Routes_of_others_are_not_deleted()
    {
        _ns.Ip("route add 10.0.2.0/24 via 172.18.0.9 dev cmesh_host proto static");
        Assert.False(_routes.Delete(s_pods));
        Assert.False(_routes.Delete(IpPrefix.Parse("172.18.0.0/16")));
        Assert.Contains("172.18.0.0/16 dev cmesh_host proto kernel scope link src 172.18.0.2", _ns.IpLines("route"));
        Assert.Single(_ns.IpLines("route show 10.0.2.0/24"));
    }

    [Fact]
    public void A_missing_interface_and_a_bad_next_hop_are_sentences()
    {
        var e = Assert.Throws<DeviceException>(() => _routes.Replace(s_pods, IpAddress.Parse("172.18.0.3"), "eth9"));
        Assert.Equal($"route 10.0.2.0/24 via 172.18.0.3: interface eth9 does not exist in namespace {_ns.Name}", e.Message);
        e = Assert.Throws<DeviceException>(() => _routes.Replace(s_pods, IpAddress.Parse("192.0.2.1"), "cmesh_host"));
        Assert.Equal("interface cmesh_host: replace route 10.0.2.0/24 via 192.0.2.1: ENETUNREACH (Network is unreachable): Nexthop has invalid gateway", e.Message);
    }

    [Fact]
    public void Many_threads_may_use_it_at_once()
    {
        Parallel.For(0, 200, i => _routes.Replace(IpPrefix.Containing(IpAddress.FromIpv4(0x0A640000 + ((uint)i << 8)), 24), IpAddress.Parse("172.18.0.3"), "cmesh_host"));
        Assert.Equal(200, _ns.IpLines("route").Count(l => l.EndsWith("via 172.18.0.3 dev cmesh_host proto kernel", StringComparison.Ordinal)));
    }
}
