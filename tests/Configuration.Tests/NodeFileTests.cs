using ClusterMesh.Datapath.Pipeline;
using ClusterMesh.Datapath.State.Desired;
using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.Configuration.Tests;

/// <summary>A right file gives the specs that a person reading it expects.</summary>
public sealed class NodeFileTests
{
    private readonly NodeFile _file = Sample.Parse();

    [Fact]
    public void Node_section_and_defaults()
    {
        LocalNodeSpec local = _file.Local;
        Assert.Equal(("west-worker", "west", 1), (local.Name, local.Cluster, local.ClusterId));
        Assert.Equal([new InterfaceAddress(IpAddress.Parse("172.18.0.5"), IpPrefix.Parse("172.18.0.0/16"))], local.Addresses);
        Assert.Equal([IpPrefix.Parse("10.0.1.0/24")], local.PodCidrs);
        Assert.Equal([IpAddress.Parse("10.0.1.1")], local.RouterAddresses);
        Assert.Equal([IpPrefix.Parse("10.0.0.0/16")], local.NativeRoutingCidrs);
        Assert.Equal((1500, true), (local.Mtu, local.AutoDirectNodeRoutes));
        Assert.Equal((2_000_000, 512 * 1024), (local.ConntrackEntries, local.SnatEntries));
        Assert.Equal((30000, 32767), (local.NodePortFirst, local.NodePortLast));
        Assert.Equal("west-worker.yaml:2", local.Source);
    }

    [Fact]
    public void Ports_of_the_node()
    {
        HostPortSpec host = _file.Local.Host!;
        Assert.Equal(("west-worker", "eth0", true), (host.Namespace, host.Interface, host.InstallRoutes));
        UplinkPortSpec uplink = _file.Local.Uplink!;
        Assert.Equal(("node-network", "west-worker", "br0"), (uplink.Namespace, uplink.Interface, uplink.Bridge));
        Assert.Equal([IpAddress.Parse("172.18.0.1")], uplink.Gateways);
    }

    [Theory]
    [InlineData("on", TapOffloads.All)]
    [InlineData("off", TapOffloads.None)]
    [InlineData("checksum", TapOffloads.Checksum)]
    [InlineData("checksum, tso4, ecn", TapOffloads.Checksum | TapOffloads.TcpIpv4 | TapOffloads.TcpEcn)]
    [InlineData("uso6,uso4,ecn,tso6,tso4,checksum", TapOffloads.All)]
    public void Offloads_of_each_port(string text, TapOffloads wanted)
    {
        string yaml = Sample.WestWorker
            .Replace("  bridge: br0", $"  bridge: br0\n  offloads: {text}", StringComparison.Ordinal)
            .Replace("host:\n", $"host:\n  offloads: {text}\n", StringComparison.Ordinal)
            .Replace("    namespace: west-curl-pod", $"    namespace: west-curl-pod\n    offloads: {text}", StringComparison.Ordinal);
        NodeFile file = NodeFile.Parse("x.yaml", yaml);
        Assert.Equal((wanted, wanted), (file.Local.Host!.Offloads, file.Local.Uplink!.Offloads));
        Assert.Equal([wanted, TapOffloads.All], file.Initial.Endpoints!.Select(e => e.Offloads));
        Assert.Equal((TapOffloads.All, TapOffloads.All), (_file.Local.Host!.Offloads, _file.Local.Uplink!.Offloads));
    }

    [Fact]
    public void Endpoints()
    {
        IReadOnlyList<EndpointSpec> endpoints = _file.Initial.Endpoints!;
        Assert.Equal(2, endpoints.Count);
        Assert.Equal(("default/curl-pod", "west-curl-pod", "eth0", "west-worker.yaml:28"),
            (endpoints[0].Name, endpoints[0].Namespace, endpoints[0].Interface, endpoints[0].Source));
        Assert.Equal([IpAddress.Parse("10.0.1.105")], endpoints[0].Addresses);
        Assert.Equal(MacAddress.Parse("02:00:0a:00:01:0e"), endpoints[1].Mac);
    }

    [Fact]
    public void Nodes_and_routes()
    {
        IReadOnlyList<NodeSpec> nodes = _file.Initial.Nodes!;
        Assert.Equal(["west/west-control-plane", "east/east-worker"], nodes.Select(n => $"{n.Cluster}/{n.Name}"));
        Assert.Equal([IpAddress.Parse("172.18.0.2")], nodes[1].Addresses);
        Assert.Equal([IpPrefix.Parse("10.1.1.0/24")], nodes[1].PodCidrs);
        Assert.Equal([new RouteSpec(IpPrefix.Parse("192.168.7.0/24"), IpAddress.Parse("172.18.0.100"), "west-worker.yaml:48")], _file.Initial.Routes);
    }

    [Fact]
    public void Services()
    {
        IReadOnlyList<ServiceSpec> services = _file.Initial.Services!;
        Assert.Equal(["default/webpod", "kube-system/kube-dns:dns"], services.Select(s => s.Name));
        Assert.Equal([IpProtocol.Tcp, IpProtocol.Udp], services.Select(s => s.Protocol));
        Assert.Equal(
            [new FrontendSpec(ServiceType.ClusterIP, IpAddress.Parse("10.2.164.148"), 80), new FrontendSpec(ServiceType.NodePort, null, 30080)],
            services[0].Frontends);
        Assert.Equal(
            [
                new BackendSpec(IpAddress.Parse("10.0.1.14"), 80, "west", ""),
                new BackendSpec(IpAddress.Parse("10.0.1.162"), 80, "west", "west-worker"),
                new BackendSpec(IpAddress.Parse("10.1.1.2"), 80, "east", "east-worker"),
                new BackendSpec(IpAddress.Parse("10.1.1.221"), 80, "east", ""),
            ],
            services[0].Backends);
        Assert.Empty(services[1].Backends);
        Assert.Equal("west-worker.yaml:52", services[0].Source);
    }

    [Fact]
    public void Masquerade_exempts_link_local_and_sorts()
    {
        Assert.True(_file.Initial.Masquerade!.Enabled);
        Assert.Equal(["10.1.0.0/16", "169.254.0.0/16"], _file.Initial.Masquerade.NonMasqueradeCidrs.Select(c => c.ToString()));
    }

    [Theory]
    [InlineData("- 10.1.0.0/16", "- 10.1.2.3/16", "10.1.0.0/16 169.254.0.0/16")]
    [InlineData("- 10.1.0.0/16", "- 192.168.0.0/16\n    - 10.9.0.0/16\n    - 10.9.0.1/16", "10.9.0.0/16 169.254.0.0/16 192.168.0.0/16")]
    [InlineData("- 10.1.0.0/16", "- 10.1.0.0/16\n  masqLinkLocal: true", "10.1.0.0/16")]
    [InlineData("masquerade:\n  nonMasqueradeCIDRs:\n    - 10.1.0.0/16", "", "169.254.0.0/16")]
    [InlineData("[10.0.1.0/24]", "[10.0.1.0/24, 'fd00:1::/64']", "10.1.0.0/16 169.254.0.0/16 fe80::/10")]
    public void Masquerade_lists(string old, string replacement, string expected) =>
        Assert.Equal(expected, string.Join(' ', NodeFile.Parse("x.yaml", Sample.With(old, replacement)).Initial.Masquerade!.NonMasqueradeCidrs));

    [Theory]
    [InlineData("node: {name: a}", "169.254.0.0/16")]
    [InlineData("node: {name: a, podCIDRs: ['fd00:1::/64']}", "fe80::/10")]
    public void Link_local_is_exempt_in_the_families_of_the_node(string yaml, string expected) =>
        Assert.Equal(expected, string.Join(' ', NodeFile.Parse("x.yaml", yaml).Initial.Masquerade!.NonMasqueradeCidrs));

    [Fact]
    public void Both_families_give_router_addresses_and_native_cidrs_of_both()
    {
        LocalNodeSpec local = NodeFile.Parse("x.yaml", "node: {name: a, podCIDRs: [10.0.1.0/24, 'fd00:1::/64']}").Local;
        Assert.Equal(["10.0.1.1", "fd00:1::1"], local.RouterAddresses.Select(a => a.ToString()));
        Assert.Equal(["10.0.1.0/24", "fd00:1::/64"], local.NativeRoutingCidrs.Select(c => c.ToString()));
    }

    [Fact]
    public void Derived_macs_are_stable_unicast_and_distinct()
    {
        MacAddress[] macs = [_file.Local.RouterMac, _file.Local.Host!.Mac, _file.Local.Uplink!.Mac, _file.Initial.Endpoints![0].Mac];
        Assert.All(macs, m => Assert.Equal(0x02UL, m.Value >> 40));
        Assert.Equal(macs.Length, macs.Distinct().Count());

        // Written down, so that a change of the hash is noticed: people's captures hold these.
        Assert.Equal("02:4f:17:1a:31:70 02:ac:df:11:24:c3 02:45:49:d7:cc:5d 02:43:22:72:8d:d9", string.Join(' ', macs));
    }

    [Fact]
    public void Ten_thousand_names_have_ten_thousand_macs()
    {
        string[] macs = [.. Enumerable.Range(0, 10_000).Select(i => DerivedFor($"default/pod-{i}"))];
        Assert.Equal(macs.Length, macs.Distinct().Count());

        string DerivedFor(string name)
        {
            DesiredChange change = ChangeTranslator.Translate(
                new() { Endpoints = [new() { Name = name, Namespace = "n", Addresses = ["10.0.1.9"] }] }, replace: false, _file.Local, DocumentOrigin.Request);
            return change.Endpoints![0].Mac.ToString();
        }
    }

    [Fact]
    public void Socket_path_by_default_and_as_given()
    {
        Assert.Equal("/run/cmesh/west-west-worker/control.sock", _file.SocketPath);
        Assert.Equal("/tmp/a.sock", NodeFile.Parse("x.yaml", "socket: /tmp/a.sock\nnode: {name: a}").SocketPath);
    }

    [Fact]
    public void Json_is_read_too()
    {
        NodeFile file = NodeFile.Parse("x.json", "{\n\t\"node\": {\"name\":\"a\",\"clusterId\":3,\"cluster\":\"c\\u0031\"},\n\t\"routing\":{\"autoDirectNodeRoutes\":false}\n}");
        Assert.Equal(("a", "c1", 3, false), (file.Local.Name, file.Local.Cluster, file.Local.ClusterId, file.Local.AutoDirectNodeRoutes));
    }

    [Fact]
    public void Aliases_are_followed()
    {
        DesiredChange change = NodeFile.Parse("x.yaml", """
            node: {name: a}
            services:
              - name: one
                frontends: [{address: 10.2.0.1, port: 80}]
                backends: &web [{address: 10.0.0.1, port: 80}]
              - name: two
                frontends: [{address: 10.2.0.2, port: 80}]
                backends: *web
            """).Initial;
        Assert.Equal(change.Services![0].Backends, change.Services[1].Backends);
    }

    [Fact]
    public void Unquoted_text_stays_text_and_empty_sections_have_defaults()
    {
        NodeFile file = NodeFile.Parse("x.yaml", "node: {name: 0123, cluster: 1}\nhost:\ntables:\nrouting:\nendpoints:\n");
        Assert.Equal(("0123", "1", 1500), (file.Local.Name, file.Local.Cluster, file.Local.Mtu));
        Assert.Null(file.Local.Host);
        Assert.Null(file.Initial.Endpoints);
    }

    [Fact]
    public void A_byte_order_mark_and_windows_lines_are_read()
    {
        string path = Path.GetTempFileName();
        try
        {
            File.WriteAllBytes(path, [0xEF, 0xBB, 0xBF, .. "node:\r\n  name: a\r\n"u8]);
            Assert.Equal("a", NodeFile.Read(path).Local.Name);
        }
        finally
        {
            File.Delete(path);
        }
    }
}
