using ClusterMesh.Datapath.Mesh.Mirror;
using ClusterMesh.Datapath.Mesh.Schema;
using ClusterMesh.Datapath.Mesh.Store;

namespace ClusterMesh.Datapath.Mesh.Remote;

/// <summary>
/// One remote cluster, connected to as long as it is wanted. Each connection is a session: configuration, validation, canaries, then each
/// kind listed and watched. What is known outlives sessions; it goes when a full list says so, when the cluster's id has changed, or
/// when the cluster is removed.
/// </summary>
public sealed class RemoteCluster : IDisposable
{
    private static readonly MeshRecordKind[] s_used = [MeshRecordKind.Node, MeshRecordKind.Service, MeshRecordKind.Ip, MeshRecordKind.Identity];

    /// <summary>Consecutive failures of one connection before another one is made.</summary>
    private const int MostFailures = 2;

    private static readonly TimeSpan s_configPoll = TimeSpan.FromSeconds(30);

    private RemoteFile _file;
    private readonly RemoteOptions _options;
    private readonly MeshState _state;
    private readonly ClusterIds _ids;
    private readonly TimeProvider _time;
    private readonly Action<string> _log;
    private readonly RecordSink _sink;
    private readonly RecordCopy? _copy;

    /// <summary>Kinds that make the cluster ready. Exports of services are only copied, and never waited for.</summary>
    private readonly MeshRecordKind[] _kinds = s_used;
    private readonly PrefixReader? _exports;
    private readonly Dictionary<MeshRecordKind, PrefixReader> _readers;
    private readonly RemoteHeartbeat _heartbeat;
    private readonly ITimer _revocation;
    private bool _isRevoking;

    /// <summary>Guards the fields below, which the status shows.</summary>
    private readonly Lock _showing = new();
    private ClusterConfig? _config;
    private EtcdStore? _store;
    private uint _reservedId;
    private int _failureCount;
    private DateTimeOffset? _lastFailure;
    private string? _problem = "not connected yet";

    public RemoteCluster(RemoteFile file, RemoteOptions options, MeshState state, ClusterIds ids, TimeProvider time, Action<string> log, RecordCopy? copy = null)
    {
        _copy = copy;
        (_file, _options, _state, _ids, _time, _log) = (file, options, state, ids, time, log);
        _sink = new RecordSink(file.Name, state, log);
        _revocation = time.CreateTimer(_ => Revoke(), null, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
        _readers = _kinds.ToDictionary(kind => kind, kind => new PrefixReader(time, changes => copy is null ? _sink.Take(kind, changes) : copy.Take(kind, changes)));
        _exports = copy is null ? null : new PrefixReader(time, changes => copy.Take(MeshRecordKind.ServiceExport, changes));
        _heartbeat = new RemoteHeartbeat(time);
    }

    public RemoteFile File => _file;

    /// <summary>Where its records are copied to; null when they are used here.</summary>
    internal RecordCopy? Copy => _copy;

    public RemoteStatus Status
    {
        get
        {
            ClusterView view = _state.Current.Clusters.GetValueOrDefault(_file.Name) ?? ClusterView.Empty(_file.Name, 0);
            lock (_showing)
            {
                bool connected = _store is { Health.IsConnected: true };
                bool synced(MeshRecordKind kind) => _readers[kind].Listed.IsCompletedSuccessfully;
                string? overflow = _readers.Values.Select(r => r.Overflow).FirstOrDefault(o => o is not null);
                return new RemoteStatus(
                    _file.Name, connected && _config is not null && _kinds.All(synced), connected, _config, _store?.ClusterId ?? 0,
                    view.Nodes.Count, view.Ips.Count, view.Identities.Count, view.Services.Count, _sink.RefusedCount,
                    synced(MeshRecordKind.Node), synced(MeshRecordKind.Ip), synced(MeshRecordKind.Identity), synced(MeshRecordKind.Service),
                    _failureCount, _lastFailure, DataAge(), _problem ?? overflow ?? (connected ? null : _store?.Health.Text), _sink.LastRefusal, _heartbeat.Skew);
            }
        }
    }

    /// <summary>The same cluster by another file, what is known of it included. Only while it does not run.</summary>
    public RemoteCluster With(RemoteFile file)
    {
        _file = file;
        return this;
    }

    /// <summary>Completes when every kind has been listed once.</summary>
    public Task Synced => Task.WhenAll(_readers.Values.Select(r => r.Listed));

    /// <summary>Runs until cancelled. Nothing is forgotten at its end: see <see cref="Drain"/>.</summary>
    public async Task RunAsync(CancellationToken cancellation)
    {
        Backoff backoff = new(_time);
        while (true)
        {
            try
            {
                await RunSessionAsync(backoff, cancellation);
            }
            catch (Exception fault) when (fault is StoreException or RemoteException)
            {
                Fail(fault.Message);
            }
            catch (Exception fault) when (fault is not OperationCanceledException || !cancellation.IsCancellationRequested)
            {
                // The root of a cluster: whatever one cluster makes go wrong must not end the agent, nor this cluster for ever.
                Fail($"internal fault: {fault}");
            }

            ScheduleRevocation();
            await backoff.WaitAsync(cancellation);
        }
    }

    /// <summary>Forgets all that is known of the cluster and gives its id back.</summary>
    public void Drain()
    {
        _state.Remove(_file.Name);
        _ids.Release(_file.Name);
    }

    public void Dispose() => _revocation.Dispose();

    private async Task RunSessionAsync(Backoff backoff, CancellationToken cancellation)
    {
        await using EtcdStore store = new(_file.SettingsWith(_options.HostAliases));
        lock (_showing)
        {
            _store = store;
        }

        _heartbeat.Begin();

        ClusterConfig config = await RetrieveConfigAsync(store, cancellation);
        Accept(config);
        backoff.Reset();
        _log($"cluster {_file.Name}: connected, cluster id {config.Id}{(config.Cached ? ", through kvstoremesh" : "")}");

        using CancellationTokenSource session = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        List<Task> running = [_heartbeat.RunAsync(store, session.Token), WatchHealthAsync(store, config, session.Token)];
        if (config.SyncedCanaries)
        {
            Dictionary<string, TaskCompletionSource> canaries = _kinds.ToDictionary(
                kind => MeshKeys.Canary(_file.Name, kind, config.Cached)[MeshKeys.Synced(_file.Name).Length..], _ => new TaskCompletionSource());
            PrefixReader reader = new(_time, changes =>
            {
                foreach (StoreChange change in changes)
                {
                    if (change.Value is not null && canaries.TryGetValue(change.Key, out TaskCompletionSource? canary))
                    {
                        canary.TrySetResult();
                    }
                }

                return [];
            });
            running.Add(reader.RunAsync(store, MeshKeys.Synced(_file.Name), session.Token));
            running.AddRange(_kinds.Zip(canaries.Values, (kind, canary) => FollowAsync(store, kind, config.Cached, canary.Task, session.Token)));
        }
        else
        {
            running.AddRange(_kinds.Select(kind => FollowAsync(store, kind, config.Cached, Task.CompletedTask, session.Token)));
        }

        if (_copy is not null)
        {
            running.Add(CopyAsync(config, session.Token));
            if (config.ServiceExportsEnabled is not null)
            {
                running.Add(_exports!.RunAsync(store, MeshKeys.Prefix(_file.Name, MeshRecordKind.ServiceExport, config.Cached), session.Token));
            }
        }

        try
        {
            await await Task.WhenAny(running);
        }
        finally
        {
            await session.CancelAsync();
            await Task.WhenAll(running.Select(task => task.ContinueWith(_ => { }, CancellationToken.None, TaskContinuationOptions.None, TaskScheduler.Default)));
        }
    }

    /// <summary>The copy may be published once it is whole; from then on it is, also while the cluster is away.</summary>
    private async Task CopyAsync(ClusterConfig config, CancellationToken cancellation)
    {
        await Synced.WaitAsync(cancellation);
        _copy!.Publish(config);
        await Task.Delay(Timeout.InfiniteTimeSpan, _time, cancellation);
    }

    private async Task FollowAsync(EtcdStore store, MeshRecordKind kind, bool cached, Task canary, CancellationToken cancellation)
    {
        await canary.WaitAsync(cancellation);
        await _readers[kind].RunAsync(store, MeshKeys.Prefix(_file.Name, kind, cached), cancellation);
    }

    /// <summary>Asked again and again, since a cluster that has just come up writes its configuration last.</summary>
    private async Task<ClusterConfig> RetrieveConfigAsync(EtcdStore store, CancellationToken cancellation)
    {
        Backoff backoff = new(_time);
        long begin = _time.GetTimestamp();
        int failures = 0;
        while (true)
        {
            string problem;
            try
            {
                if (await store.GetAsync(MeshKeys.ClusterConfig(_file.Name), cancellation) is not StoreEntry entry)
                {
                    problem = $"remote cluster configuration required but not found; is '{_file.Name}' the name that the cluster itself uses, is this its etcd, and has its agent published?";
                }
                else if (ClusterConfig.TryRead(entry.Value.Span, out ClusterConfig config, out string mistake))
                {
                    return config;
                }
                else
                {
                    problem = $"its cluster configuration cannot be read: {mistake}";
                }
            }
            catch (StoreException fault) when (fault.Fault != StoreFault.Replaced && failures++ < MostFailures)
            {
                problem = fault.Message;
            }

            Show(problem);
            if (_time.GetElapsedTime(begin) >= _options.ConfigTimeout)
            {
                throw new RemoteException(problem);
            }

            await backoff.WaitAsync(cancellation);
        }
    }

    private void Accept(ClusterConfig config)
    {
        if (_reservedId != 0 && _reservedId != config.Id)
        {
            _log($"cluster {_file.Name}: its id has changed from {_reservedId} to {config.Id}; all that was known of it is forgotten");
            Drain();
            _reservedId = 0;
        }

        string? refusal = config.Check(_options.MaxConnectedClusters) ?? _ids.Reserve(_file.Name, config.Id);
        if (refusal is not null)
        {
            throw new RemoteException(refusal);
        }

        _isRevoking = false;
        _revocation.Change(Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
        _reservedId = config.Id;
        _sink.ClusterId = config.Id;
        _sink.Range = IdentityRange.Of((int)config.Id, _options.MaxConnectedClusters);
        lock (_showing)
        {
            _config = config;
            _problem = null;
        }
    }

    /// <summary>Ends the session when the heartbeat stops, when the configuration becomes another one, or when requests fail again and again.</summary>
    private async Task WatchHealthAsync(EtcdStore store, ClusterConfig config, CancellationToken cancellation)
    {
        int failures = 0;
        while (true)
        {
            await Task.Delay(failures == 0 ? s_configPoll : TimeSpan.FromSeconds(1), _time, cancellation);
            if (_heartbeat.Age > _options.HeartbeatTimeout)
            {
                throw new RemoteException($"no heartbeat for {_options.HeartbeatTimeout.TotalSeconds:0} s; does the cluster's agent still publish?");
            }

            try
            {
                StoreEntry? entry = await store.GetAsync(MeshKeys.ClusterConfig(_file.Name), cancellation);
                failures = 0;
                if (entry is not null && ClusterConfig.TryRead(entry.Value.Value.Span, out ClusterConfig now, out _) && now != config)
                {
                    throw new RemoteException("the cluster's configuration has changed; connecting anew");
                }

                Show(entry is null ? "its cluster configuration was deleted; what is known of it is kept" : null);
            }
            catch (StoreException fault) when (fault.Fault != StoreFault.Replaced && failures < MostFailures)
            {
                failures++;
                Show(fault.Message);
            }
        }
    }

    /// <summary>From the first failure on; further failures do not put it off.</summary>
    private void ScheduleRevocation()
    {
        if (_options.CacheTtl > TimeSpan.Zero && !_isRevoking)
        {
            _isRevoking = true;
            _revocation.Change(_options.CacheTtl, Timeout.InfiniteTimeSpan);
        }
    }

    private void Revoke()
    {
        _log($"cluster {_file.Name}: no connection for {_options.CacheTtl.TotalSeconds:0} s; its services are forgotten");
        _state.Update(_file.Name, _reservedId, view => view with { Services = view.Services.Clear() });
    }

    private TimeSpan? DataAge() => _readers.Values.Select(r => r.Silence).Append(_heartbeat.Silence).Min();

    private void Show(string? problem)
    {
        lock (_showing)
        {
            _problem = problem;
        }
    }

    private void Fail(string problem)
    {
        lock (_showing)
        {
            _problem = problem;
            _failureCount++;
            _lastFailure = _time.GetUtcNow();
        }

        _log($"cluster {_file.Name}: {problem}");
    }
}
