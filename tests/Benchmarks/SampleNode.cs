using ClusterMesh.Datapath.Pipeline;
using ClusterMesh.Datapath.State.Desired;
using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.Benchmarks;

/// <summary>The walk-through's west-worker with one pod, for measuring.</summary>
internal static class SampleNode
{
    public static IpAddress Pod { get; } = IpAddress.Parse("10.0.1.105");

    public static MacAddress PodMac { get; } = MacAddress.Parse("02:00:00:00:00:02");

    public static MacAddress RouterMac { get; } = MacAddress.Parse("02:00:00:00:00:01");

    public static LocalNodeSpec Local(int conntrackEntries = 2_000_000, int snatEntries = 1 << 19) => new(
        "west-worker", "west", 1, [new InterfaceAddress(IpAddress.Parse("172.18.0.5"), IpPrefix.Parse("172.18.0.0/16"))],
        [IpPrefix.Parse("10.0.1.0/24")], [IpAddress.Parse("10.0.1.1")], RouterMac, 1500, true, [IpPrefix.Parse("10.0.0.0/16")], null,
        new UplinkPortSpec("net", "uplink", null, MacAddress.Parse("02:00:00:00:00:05"), [IpAddress.Parse("172.18.0.1")]),
        conntrackEntries, snatEntries, 30000, 32767, "benchmark");

    /// <param name="backendNetwork">First three numbers of the backends' addresses: 10.1.1 are pods of the other cluster, others are masqueraded.</param>
    public static DesiredChange Change(int serviceCount, string backendNetwork = "10.1.1") => new()
    {
        Replace = true,
        Masquerade = new MasqueradeSpec(true, [IpPrefix.Parse("10.1.0.0/16")]),
        Endpoints = [new EndpointSpec("default/curl-pod", "ns", "eth0", PodMac, [Pod], "benchmark")],
        Nodes = [new NodeSpec("east-worker", "east", [IpAddress.Parse("172.18.0.2")], [IpPrefix.Parse("10.1.1.0/24")], "benchmark")],
        Services = [.. Enumerable.Range(0, serviceCount).Select(i => Service(i, backendNetwork))],
    };

    public static IpAddress FrontendOf(int service) => IpAddress.FromIpv4(0x0A02_0000u + (uint)service);

    private static ServiceSpec Service(int index, string backendNetwork) => new(
        $"default/service-{index}", IpProtocol.Tcp, [new FrontendSpec(ServiceType.ClusterIP, FrontendOf(index), 80)],
        [.. Enumerable.Range(2, 4).Select(i => new BackendSpec(IpAddress.Parse($"{backendNetwork}.{i}"), (ushort)(8000 + (index % 1000)), "east", ""))], "benchmark");
}
