using System.Diagnostics;
using ClusterMesh.Datapath.Control;
using ClusterMesh.Datapath.Control.Documents;
using ClusterMesh.Datapath.Control.Messages;
using ClusterMesh.Datapath.Control.Rows;

namespace ClusterMesh.Datapath.Benchmarks.Mesh;

/// <summary>A forwarder's control socket that counts what it is told and when; it forwards nothing.</summary>
internal sealed class StandInForwarder : IAsyncDisposable
{
    private readonly ControlServer _server;

    /// <summary>Guards what was told.</summary>
    private readonly Lock _telling = new();
    private readonly HashSet<string> _nodes = [];
    private readonly Dictionary<string, ServiceDocument> _services = [];
    private TaskCompletionSource _told = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private long _version;

    public StandInForwarder(string socket)
    {
        _server = new ControlServer(socket);
        _server.Map("config", ControlRole.Reader, ControlJson.Default.NoContent, ControlJson.Default.NodeDocument, (_, _) => new(new NodeDocument()));
        _server.Map("apply", ControlRole.Admin, ControlJson.Default.ApplyRequest, ControlJson.Default.ChangeResult, (r, _) => new(Apply(r)));
        _server.Map("delete", ControlRole.Admin, ControlJson.Default.DeleteRequest, ControlJson.Default.ChangeResult, (r, _) => new(Delete(r)));
        _server.MapKind(ControlKinds.Masquerade, (_, _, _) => new(new ListResult<MasqueradeRow>(0, [], null)));
        _server.Start();
    }

    public int NodeCount
    {
        get
        {
            lock (_telling)
            {
                return _nodes.Count;
            }
        }
    }

    public long ApplyCount => Interlocked.Read(ref _version);

    public bool Has(string service, string cluster, string address)
    {
        lock (_telling)
        {
            return _services.TryGetValue(service, out ServiceDocument? known) && known.Backends.Any(b => b.Cluster == cluster && b.Address == address);
        }
    }

    /// <summary>Waits for what is told to make something true.</summary>
    /// <returns>False when it is not within the limit.</returns>
    public async Task<bool> UntilAsync(Func<bool> condition, TimeSpan limit)
    {
        Stopwatch waited = Stopwatch.StartNew();
        while (true)
        {
            Task told = Volatile.Read(ref _told).Task;
            if (condition())
            {
                return true;
            }

            TimeSpan left = limit - waited.Elapsed;
            if (left <= TimeSpan.Zero)
            {
                return false;
            }

            await Task.WhenAny(told, Task.Delay(left));
        }
    }

    public ValueTask DisposeAsync() => _server.DisposeAsync();

    private ChangeResult Apply(ApplyRequest request)
    {
        lock (_telling)
        {
            if (request.Mode == ApplyMode.Replace)
            {
                _nodes.Clear();
                _services.Clear();
            }

            _nodes.UnionWith((request.Config.Nodes ?? []).Select(n => $"{n.Cluster}/{n.Name}"));
            foreach (ServiceDocument service in request.Config.Services ?? [])
            {
                _services[service.Name] = service;
            }
        }

        return Told();
    }

    private ChangeResult Delete(DeleteRequest request)
    {
        lock (_telling)
        {
            foreach (string name in request.Names)
            {
                _ = request.Kind == "node" ? _nodes.Remove(name) : _services.Remove(name);
            }
        }

        return Told();
    }

    private ChangeResult Told()
    {
        long version = Interlocked.Increment(ref _version);
        Interlocked.Exchange(ref _told, new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously)).TrySetResult();
        return new ChangeResult(version, 1);
    }
}
