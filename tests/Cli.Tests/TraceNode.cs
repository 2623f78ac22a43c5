using ClusterMesh.Datapath.Control;
using ClusterMesh.Datapath.Control.Messages;
using ClusterMesh.Datapath.Control.Rows;
using ClusterMesh.Datapath.Pipeline;
using ClusterMesh.Datapath.State;
using ClusterMesh.Datapath.State.Desired;
using ClusterMesh.Datapath.Trace;
using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.Cli.Tests;

/// <summary>One node of a mesh without devices, behind a control socket that answers trace: the production pipeline, and real tables.</summary>
internal sealed class TraceNode : IAsyncDisposable
{
    private readonly ControlServer _server;
    private readonly LiveTables _live = new(1024, 1024, seed: 1);
    private readonly LocalNodeSpec _local;
    private readonly StateWriter _writer;

    /// <param name="number">Of the cluster: its pods have 10.NUMBER.1.0/24, its node 172.18.0.NUMBER.</param>
    public TraceNode(string runDirectory, string cluster, int number, DesiredChange change)
    {
        _local = new LocalNodeSpec(
            "worker", cluster, number, [new InterfaceAddress(Node(number), IpPrefix.Parse("172.18.0.0/16"))], [Pods(number)], [IpAddress.Parse($"10.{number}.1.1")],
            MacAddress.Parse($"02:00:00:00:00:0{number}"), 1500, AutoDirectNodeRoutes: true, [IpPrefix.Parse($"10.{number}.0.0/16")],
            new HostPortSpec("host", "cmesh0", MacAddress.Parse($"02:00:00:00:01:0{number}"), InstallRoutes: false),
            new UplinkPortSpec("net", "worker", "br0", MacAddress.Parse($"02:00:00:00:02:0{number}"), []), 1024, 1024, 30000, 32767, "TraceNode");
        _writer = new StateWriter(_local, 1);
        _writer.Commit(_writer.Plan(change));
        _server = new ControlServer(Path.Combine(runDirectory, $"{cluster}-worker", "control.sock"));
        _server.Map("trace", ControlRole.Reader, ControlJson.Default.TraceRequest, ControlJson.Default.TraceResult, (request, _) => new(Tracer().Trace(request)));
        _server.MapKind(ControlKinds.Endpoint, (_, _, _) => new(new ListResult<EndpointRow>(
            1, [.. _writer.Desired.Endpoints.Values.Select(e => new EndpointRow(_writer.Ports[e.Name].Id, e.Name, [.. e.Addresses.Select(a => a.ToString())], "", "", "", "up"))])));
        _server.Start();
    }

    public static IpAddress Node(int number) => IpAddress.Parse($"172.18.0.{number}");

    public static IpPrefix Pods(int number) => IpPrefix.Parse($"10.{number}.1.0/24");

    public static NodeSpec Other(string cluster, int number) => new("worker", cluster, [Node(number)], [Pods(number)], "TraceNode");

    public static EndpointSpec Pod(string name, int number, int last) =>
        new(name, "ns", "eth0", MacAddress.Parse($"02:00:00:0{number}:00:0{last}"), [IpAddress.Parse($"10.{number}.1.{last}")], "TraceNode");

    public ValueTask DisposeAsync() => _server.DisposeAsync();

    private PacketTracer Tracer() => new(_writer, _local, [_live], (_, action) => action(), null, null, () => MonoTime.FromSeconds(1000));
}
