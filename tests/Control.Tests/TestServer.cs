using ClusterMesh.Datapath.Control.Documents;
using ClusterMesh.Datapath.Control.Messages;
using ClusterMesh.Datapath.Control.Rows;

namespace ClusterMesh.Datapath.Control.Tests;

/// <summary>A server in a directory of its own, with a few methods and a kind whose rows the test sets.</summary>
internal sealed class TestServer : IAsyncDisposable
{
    private readonly string _directory = Directory.CreateTempSubdirectory("cmesh-").FullName;

    public TestServer(ControlLimits? limits = null, ControlAccess? access = null)
    {
        Server = new ControlServer(Path.Combine(_directory, "run", "west-west-worker", "control.sock"), limits)
        {
            Fault = (_, fault) => Faults.Add(fault),
            Access = access ?? ControlAccess.OwnerOnly,
        };
        Server.Map("echo", ControlRole.Admin, ControlJson.Default.ApplyRequest, ControlJson.Default.ApplyRequest, (request, _) => new(request));
        Server.Map("change", ControlRole.Admin, ControlJson.Default.ApplyRequest, ControlJson.Default.ChangeResult, (request, _) =>
            new(new ChangeResult(1, request.Config.Services?.Sum(service => service.Backends.Count) ?? 0)));
        Server.Map<NoContent, ChangeResult>("slow", ControlRole.Admin, ControlJson.Default.NoContent, ControlJson.Default.ChangeResult, async (_, cancellation) =>
        {
            Interlocked.Increment(ref SlowCount);
            await Gate.Task.WaitAsync(cancellation);
            return new ChangeResult(1, 1);
        });
        Server.Map<NoContent, NoContent>("crash", ControlRole.Admin, ControlJson.Default.NoContent, ControlJson.Default.NoContent, (_, _) =>
            throw new InvalidDataException("secret"));
        Server.Map<DeleteRequest, NoContent>("fail", ControlRole.Admin, ControlJson.Default.DeleteRequest, ControlJson.Default.NoContent, (request, _) =>
            throw new ControlException(Enum.Parse<ErrorCode>(request.Kind), request.Names[0]));
        Server.MapKind(ControlKinds.Masquerade, (cursor, limit, _) => new(Page(cursor, limit)));
        Server.MapKind(ControlKinds.Counter, (_, _, _) => new(new ListResult<CounterRow>(1, [.. Counters])));
        Server.MapKind(ControlKinds.Port, (_, _, _) => throw new ControlException(ErrorCode.DeviceFailed, "no ports today"));
    }

    public ControlServer Server { get; }

    public string SocketPath => Server.SocketPath;

    public List<Exception> Faults { get; } = [];

    /// <summary>Sorted prefixes; replaced whole, so that a page is of one set.</summary>
    public string[] Prefixes { get; set; } = [];

    public CounterRow[] Counters { get; set; } = [];

    public int PageCount;

    public int SlowCount;

    public TaskCompletionSource Gate { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public TestServer Start()
    {
        Server.Start();
        return this;
    }

    public async ValueTask DisposeAsync()
    {
        Gate.TrySetResult();
        await Server.DisposeAsync();
        Directory.Delete(_directory, recursive: true);
    }

    public static ChangeDocument Services(int services, int backends) => new()
    {
        Services = [.. Enumerable.Range(0, services).Select(s => new ServiceDocument
        {
            Name = $"default/service-{s}",
            Frontends = [new FrontendDocument { Address = $"10.2.{s / 250}.{s % 250}", Port = 80 }],
            Backends = [.. Enumerable.Range(0, backends).Select(b => new BackendDocument { Address = $"10.{b}.1.{s % 250}", Port = 8080, Cluster = "east" })],
        })],
    };

    private ListResult<MasqueradeRow> Page(string? cursor, int limit)
    {
        PageCount++;
        string[] rest = [.. Prefixes.Where(prefix => cursor is null || string.CompareOrdinal(prefix, cursor) > 0)];
        return new ListResult<MasqueradeRow>(
            7, [.. rest.Take(limit).Select(prefix => new MasqueradeRow(prefix))], rest.Length > limit ? rest[limit - 1] : null);
    }
}
