using ClusterMesh.Datapath.Control;
using ClusterMesh.Datapath.Control.Documents;
using ClusterMesh.Datapath.Control.Messages;
using ClusterMesh.Datapath.Control.Rows;

namespace ClusterMesh.Datapath.Cli.Tests;

/// <summary>A run directory with forwarders that give canned answers, and cmesh pointed at it.</summary>
internal sealed class FakeForwarder : IAsyncDisposable
{
    private readonly List<ControlServer> _servers = [];

    public static StatusReport Status { get; } = new(
        "0.1.0", "west-worker", "west", 1, 4711, 8000, 12, "Native", "Enabled, 2 exemptions", "disabled", 3, 3, 9, 2, 6,
        new TableFill(12, 2097152), new TableFill(95, 100), new TableFill(2, 1024),
        [
            new PortRow(1, "uplink", "uplink", "west-worker", "eth0", "02:00:00:00:00:01", 1500, "up"),
            new PortRow(2, "default/webpod-1", "endpoint", "west-webpod-1", "eth0", "02:00:00:00:00:02", 1500, "down: namespace west-webpod-1 is gone"),
        ],
        1000, 7, 0, [new WorkerRow("worker-0", "io_uring", 1000, 7, 0, 12, 95, 0)]);

    /// <summary>What status answers, but for the node's name.</summary>
    public StatusReport Answered { get; set; } = Status with { Snat = new TableFill(8, 100), Ports = [Status.Ports[0]] };

    public EndpointRow[] Endpoints { get; set; } = [];

    public string RunDirectory { get; } = Directory.CreateTempSubdirectory("cmesh-").FullName;

    public Dictionary<string, string> Environment { get; } = [];

    /// <summary>What apply and delete were asked, in order.</summary>
    public List<string> Changes { get; } = [];

    public MasqueradeRow[] Exemptions { get; set; } = [new("169.254.0.0/16"), new("10.1.0.0/16")];

    public string SocketOf(string node) => Path.Combine(RunDirectory, node, "control.sock");

    public FakeForwarder With(string cluster, string node)
    {
        ControlServer server = new(SocketOf($"{cluster}-{node}"));
        server.Map<NoContent, StatusReport>("status", ControlRole.Reader, ControlJson.Default.NoContent, ControlJson.Default.StatusReport, (_, _) => new(Answered with { Node = node, Cluster = cluster }));
        server.Map<NoContent, NodeDocument>("config", ControlRole.Reader, ControlJson.Default.NoContent, ControlJson.Default.NodeDocument, (_, _) => new(new NodeDocument
        {
            Node = new NodeSection { Name = node, Cluster = cluster, ClusterId = 1, Addresses = ["172.18.0.5/16"], PodCidrs = ["10.0.1.0/24"] },
            Nodes = [new RemoteNodeDocument { Name = "east-worker", Cluster = "east" }, new RemoteNodeDocument { Name = "other" }],
            Routes = [new RouteDocument { Prefix = "192.168.7.0/24" }],
            Masquerade = new MasqueradeSection { NonMasqueradeCidrs = ["10.1.0.0/16"] },
            Endpoints = [new EndpointDocument { Name = "default/curl-pod", Namespace = "on", Addresses = ["10.0.1.105"] }],
            Services = [new ServiceDocument { Name = "default/webpod" }, new ServiceDocument { Name = "kube-system/kube-dns:dns" }],
        }));
        server.Map<ApplyRequest, ChangeResult>("apply", ControlRole.Admin, ControlJson.Default.ApplyRequest, ControlJson.Default.ChangeResult, (request, _) =>
        {
            if (request.Config.Routes?.Any(route => route.Prefix == "bad") == true)
            {
                throw new ControlException(ErrorCode.InvalidConfiguration, "routes[0].prefix: \"bad\" is no prefix");
            }

            Changes.Add($"{request.Mode} {request.Config.Services?.Count ?? 0} services");
            return new(new ChangeResult(13, request.Config.Services?.Count ?? 0));
        });
        server.Map<DeleteRequest, ChangeResult>("delete", ControlRole.Admin, ControlJson.Default.DeleteRequest, ControlJson.Default.ChangeResult, (request, _) =>
        {
            Changes.Add($"delete {request.Kind} {string.Join(' ', request.Names)}");
            return new(new ChangeResult(14, request.Names.Count));
        });
        server.Map("maglev", ControlRole.Reader, ControlJson.Default.MaglevRequest, ControlJson.Default.MaglevResult, (request, _) =>
            new(new MaglevResult("10.2.33.10:80/TCP", request.Service, request.TableSize ?? 16381, "JLfvgnHc2kaSUFaI", false, [new MaglevShare(1, "10.0.1.14:80/TCP", 100, 1)], [1])));
        server.Map("select", ControlRole.Reader, ControlJson.Default.SelectRequest, ControlJson.Default.SelectResult, (request, _) =>
            new(new SelectResult("10.2.33.10:80/TCP", request.Service, request.From, "pod", "random", $"asked for {request.From}", [])));
        server.MapKind(ControlKinds.Masquerade, (_, _, _) => new(new ListResult<MasqueradeRow>(12, Exemptions)));
        server.MapKind(ControlKinds.Endpoint, (_, _, _) => new(new ListResult<EndpointRow>(12, Endpoints)));
        server.MapKind(ControlKinds.Node, (_, _, _) => new(new ListResult<NodeRow>(12, [])));
        server.MapKind(ControlKinds.Conntrack, (cursor, limit, _) => new(ConntrackPage(int.Parse(cursor ?? "0"), limit)));
        server.MapKind(ControlKinds.Port, (_, _, _) => throw new ControlException(ErrorCode.DeviceFailed, "tap0: gone; is another node running in this namespace?"));
        server.Start();
        _servers.Add(server);
        return this;
    }

    public void NotifyChanged() => _servers.ForEach(server => server.NotifyChanged());

    public async Task<(int Code, string Output, string Error)> RunAsync(string input, string[] arguments, TextWriter? output = null, CancellationToken cancellation = default)
    {
        output ??= new StringWriter();
        StringWriter error = new();
        Screen screen = new(output, error, new StringReader(input), EnvironmentOf, colours: false);
        int code = await CommandLine.RunAsync(arguments, screen, cancellation);
        return (code, output.ToString()!, error.ToString());
    }

    public Task<(int Code, string Output, string Error)> RunAsync(params string[] arguments) => RunAsync("", arguments);

    public async ValueTask DisposeAsync()
    {
        foreach (ControlServer server in _servers)
        {
            await server.DisposeAsync();
        }

        Directory.Delete(RunDirectory, recursive: true);
    }

    private string? EnvironmentOf(string name) => name == "CMESH_RUN_DIR" ? RunDirectory : Environment.GetValueOrDefault(name);

    private static ListResult<ConntrackRow> ConntrackPage(int from, int limit)
    {
        const int Count = 120_000;
        int length = Math.Min(limit, Count - from);
        return new ListResult<ConntrackRow>(
            12,
            [.. Enumerable.Range(from, length).Select(i => new ConntrackRow("UDP", "OUT", $"10.0.1.105:{i}", "10.1.1.2:53", 60, 1, 74, 0, 0, 0, 0, 0, [], 0, 0, 0))],
            from + length < Count ? $"{from + length}" : null);
    }
}
