using ClusterMesh.Datapath.Cli.Text;
using ClusterMesh.Datapath.Control.Rows;

namespace ClusterMesh.Datapath.Cli.Tests;

public sealed class RowTextTests
{
    private static readonly ServiceRow s_webpod = new(7, "10.2.33.10:80/TCP", "ClusterIP", "default/webpod",
    [
        new ServiceBackendRow(2, 12, "10.1.1.2:80/TCP", "active", "east", true),
        new ServiceBackendRow(1, 11, "10.0.1.14:80/TCP", "active", "west", false),
    ]);

    private static readonly IpcacheRow s_curl =
        new("10.0.1.105/32", 68211, 0, "172.18.0.2", [], "west", "kvstore", ["k8s:app=curl", "k8s:io.cilium.k8s.policy.serviceaccount=default"]);

    private static readonly IpcacheRow s_world = new("10.1.0.0/16", 2, 3, "0.0.0.0", ["skiptunnel", "hastunnel"], "west", "local", ["reserved:world"]);

    [Fact]
    public void Services_are_printed_as_cilium_does() => Same(
        """
        ID   Frontend            Service Type   Backend
        7    10.2.33.10:80/TCP   ClusterIP      1 => 10.0.1.14:80/TCP (active)
                                                2 => 10.1.1.2:80/TCP (active) (preferred)
        10   0.0.0.0:30080/TCP   NodePort
        11   10.2.0.100:53/UDP   ClusterIP      1 => 10.0.1.3:53/UDP (terminating)
        """,
        RowTexts.Service(affinity: true).Format(
        [
            new ServiceRow(11, "10.2.0.100:53/UDP", "ClusterIP", "kube-system/kube-dns:dns", [new ServiceBackendRow(1, 3, "10.0.1.3:53/UDP", "terminating", "west", false)]),
            new ServiceRow(10, "0.0.0.0:30080/TCP", "NodePort", "default/webpod", []),
            s_webpod,
        ]));

    [Fact]
    public void Preferred_is_shown_only_when_asked_for() =>
        Assert.DoesNotContain(RowTexts.Service(affinity: false).Format([s_webpod]), line => line.Contains("preferred"));

    [Fact]
    public void The_ipcache_is_printed_as_cilium_does() => Same(
        """
        IP PREFIX/ADDRESS   IDENTITY
        10.0.1.105/32       identity=68211 encryptkey=0 tunnelendpoint=172.18.0.2 flags=<none>
        10.1.0.0/16         identity=2 encryptkey=3 tunnelendpoint=0.0.0.0 flags=skiptunnel,hastunnel
        """,
        RowTexts.Ipcache.Format([s_world, s_curl]));

    [Fact]
    public void Addresses_are_printed_as_cilium_does()
    {
        Assert.Equal(
        [
            "IP              IDENTITY                                          SOURCE",
            "10.0.1.105/32   k8s:app=curl                                      kvstore",
            "                k8s:io.cilium.k8s.policy.serviceaccount=default",
            "10.1.0.0/16     reserved:world                                    local",
        ], RowTexts.Ip(numeric: false).Format([s_world, s_curl]).Select(line => line.TrimEnd()));
        Assert.Equal(["IP              IDENTITY   SOURCE", "10.0.1.105/32   68211      kvstore"], RowTexts.Ip(numeric: true).Format([s_curl]));
    }

    [Fact]
    public void Identities_are_printed_as_cilium_does() => Same(
        """
        ID      LABELS
        1       reserved:host
        68211   k8s:app=curl
                k8s:io.cilium.k8s.policy.serviceaccount=default
        """,
        RowTexts.Identity.Format([new IdentityRow(68211, "cluster", s_curl.Labels), new IdentityRow(1, "reserved", ["reserved:host"])]));

    [Fact]
    public void Exemptions_are_printed_as_cilium_does() => Same(
        """
        IP PREFIX/ADDRESS
        10.1.0.0/16
        169.254.0.0/16
        """,
        RowTexts.Masquerade.Format([new MasqueradeRow("169.254.0.0/16"), new MasqueradeRow("10.1.0.0/16")]));

    [Fact]
    public void Connections_are_printed_as_cilium_does() => Assert.Equal(
        [
            "TCP OUT 10.0.1.105:60758 -> 10.1.1.2:80 expires=8001 Packets=0 Bytes=0 RxFlagsSeen=0x1a LastRxReport=3 TxFlagsSeen=0x02 LastTxReport=4 Flags=0x0010 [ SeenNonSyn ] RevNAT=7 SourceSecurityID=65541 BackendID=0 ",
            "TCP OUT 10.0.1.105:60758 -> 10.2.33.10:80 service expires=60 Packets=1 Bytes=74 RxFlagsSeen=0x00 LastRxReport=0 TxFlagsSeen=0x02 LastTxReport=4 Flags=0x0000 [ ] RevNAT=7 SourceSecurityID=0 BackendID=12 ",
            "UDP IN 10.1.1.2:5353 -> 10.0.1.105:53 expires=60 Packets=1 Bytes=74 RxFlagsSeen=0x00 LastRxReport=0 TxFlagsSeen=0x00 LastTxReport=0 Flags=0x0003 [ RxClosing TxClosing ] RevNAT=0 SourceSecurityID=0 BackendID=0 ",
        ],
        RowTexts.Conntrack.Format(
        [
            new ConntrackRow("UDP", "IN", "10.1.1.2:5353", "10.0.1.105:53", 60, 1, 74, 0, 0, 0, 0, 3, ["RxClosing", "TxClosing"], 0, 0, 0),
            new ConntrackRow("TCP", "SVC", "10.0.1.105:60758", "10.2.33.10:80", 60, 1, 74, 0, 0, 2, 4, 0, [], 7, 0, 12),
            new ConntrackRow("TCP", "OUT", "10.0.1.105:60758", "10.1.1.2:80", 8001, 0, 0, 0x1a, 3, 2, 4, 0x10, ["SeenNonSyn"], 7, 65541, 0),
        ]));

    [Fact]
    public void A_mapping_is_a_pair_of_entries() => Same(
        """
        TCP OUT 10.0.1.105:40000 -> 172.18.0.100:80 XLATE_SRC 172.18.0.5:40000 Created=12sec ago NeedsCT=0
        TCP IN 172.18.0.100:80 -> 172.18.0.5:40000 XLATE_DST 10.0.1.105:40000 Created=12sec ago NeedsCT=0
        """,
        RowTexts.Snat.Format([new SnatRow("TCP", "10.0.1.105:40000", "172.18.0.100:80", "172.18.0.5:40000", 12)]));

    [Fact]
    public void An_answer_of_direct_server_return_is_a_single_entry() => Same(
        """
        TCP OUT 10.0.1.14:80 -> 203.0.113.9:40001 XLATE_SRC 192.0.2.10:80 Created=3sec ago NeedsCT=0
        """,
        RowTexts.Snat.Format([new SnatRow("TCP", "10.0.1.14:80", "203.0.113.9:40001", "192.0.2.10:80", 3, IsReturn: true)]));

    [Fact]
    public void Routes_are_sorted_by_number_and_an_empty_cell_is_a_dash() => Same(
        """
        PREFIX          KIND       VIA          PORT               ORIGIN
        10.0.1.105/32   endpoint   -            default/curl-pod   endpoint
        10.1.1.0/24     node       172.18.0.2   uplink             east/east-worker
        10.1.10.0/24    node       172.18.0.3   uplink             east/east-control-plane
        """,
        RowTexts.Route.Format(
        [
            new RouteRow("10.1.10.0/24", "node", "172.18.0.3", "uplink", "east/east-control-plane"),
            new RouteRow("10.1.1.0/24", "node", "172.18.0.2", "uplink", "east/east-worker"),
            new RouteRow("10.0.1.105/32", "endpoint", "", "default/curl-pod", "endpoint"),
        ]));

    [Fact]
    public void Nothing_is_cut_however_long()
    {
        string name = new('x', 500);
        Assert.Contains(RowTexts.Endpoint.Format([new EndpointRow(1, name, ["10.0.1.1", "fd00::1"], "02:00:00:00:00:01", "ns", "eth0", "up")]), line =>
            line.Contains(name) && line.Contains("10.0.1.1,fd00::1"));
    }

    [Theory]
    [InlineData("10.0.2.0/24", "10.0.10.0/24", -1)]
    [InlineData("worker-2", "worker-10", -1)]
    [InlineData("a", "a", 0)]
    [InlineData("a1", "a01", 1)]
    [InlineData("fd00::1", "10.0.0.1", 1)]
    public void Numbers_in_names_count_as_numbers(string left, string right, int order) =>
        Assert.Equal(order, Math.Sign(NaturalOrder.Instance.Compare(left, right)));

    [Fact]
    public void The_status_is_a_page() => Same(
        """
        Forwarder:     Warning   0.1.0, up 2h13m20s, pid 4711
        Node:          west-worker, cluster west (id 1)
        Config:        OK   version 12: 3 endpoints, 1 node, 9 routes, 2 services, 6 backends
        ClusterMesh:   disabled
        Routing:       Native
        Masquerading:  Enabled, 2 exemptions
        Conntrack:     OK   12/2097152 entries (0.0%)
        SNAT:          Warning, nearly full   95/100 entries (95.0%)
        Neighbors:     OK   2/1024 entries (0.2%)
        Ports:         Warning   1 up, 1 down
           default/webpod-1: down: namespace west-webpod-1 is gone
        Packets:       1000 forwarded, 7 dropped
        """,
        StatusText.Format(FakeForwarder.Status with { Nodes = 1 }, verbose: false));

    [Fact]
    public void A_page_with_a_warning_is_not_well()
    {
        StatusReport well = FakeForwarder.Status with { Snat = new TableFill(89, 100), Ports = [FakeForwarder.Status.Ports[0]] };
        foreach (StatusReport report in (StatusReport[])[
            well,
            well with { Neighbors = new TableFill(90, 100) },
            well with { Ports = FakeForwarder.Status.Ports },
            FakeForwarder.Status])
        {
            Assert.Equal(StatusText.IsWell(report), !StatusText.Format(report, verbose: false).Any(line => line.Contains("Warning")));
        }

        Assert.True(StatusText.IsWell(well));
    }

    [Fact]
    public void A_verbose_status_shows_every_port()
    {
        List<string> page = [.. StatusText.Format(FakeForwarder.Status, verbose: true)];
        Assert.Contains("   uplink: up, uplink eth0 in west-worker, 02:00:00:00:00:01, MTU 1500", page);
        Assert.Contains("Workers:       1 on io_uring", page);
        Assert.Contains("   worker-0: 1000 forwarded, 7 dropped, 0 handed over, 12 conntrack and 95 SNAT entries, 0 bytes allocated since start", page);
    }

    [Fact]
    public void Several_workers_are_shown_without_being_asked_for()
    {
        WorkerRow worker = FakeForwarder.Status.Workers[0];
        List<string> page = [.. StatusText.Format(FakeForwarder.Status with { Workers = [worker, worker with { Name = "worker-1", HandedOverPackets = 3 }] }, verbose: false)];
        Assert.Contains("Workers:       2 on io_uring", page);
        Assert.Contains("   worker-1: 1000 forwarded, 7 dropped, 3 handed over, 12 conntrack and 95 SNAT entries", page);
    }

    private static void Same(string expected, IEnumerable<string> lines) => Assert.Equal(expected, string.Join('\n', lines));
}
