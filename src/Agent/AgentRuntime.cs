using System.Text;
using ClusterMesh.Datapath.Control.Documents;
using ClusterMesh.Datapath.Mesh.Identities;
using ClusterMesh.Datapath.Mesh.Objects;
using ClusterMesh.Datapath.Mesh.Publishing;
using ClusterMesh.Datapath.Mesh.Remote;
using ClusterMesh.Datapath.Mesh.Schema;
using ClusterMesh.Datapath.Mesh.Services;
using ClusterMesh.Datapath.Mesh.Store;
using ClusterMesh.Datapath.State;

namespace ClusterMesh.Datapath.Agent;

/// <summary>Everything of one agent, wired together: store, own objects, other clusters, publisher, forwarder.</summary>
internal sealed class AgentRuntime : IAsyncDisposable
{
    private const string SettingsKey = "cmesh/settings/v1/cluster";
    private const string ElectionKey = "cmesh/leader/publisher";
    private const string MirrorElectionKey = "cmesh/leader/kvstoremesh";
    private static readonly TimeSpan s_syncLook = TimeSpan.FromMilliseconds(500);

    private readonly TimeProvider _time;
    private readonly Action<string> _log;
    private readonly CancellationTokenSource _stop = new();
    private readonly List<Task> _running = [];
    private readonly PrefixReader _objectReader;
    private readonly Publisher _publisher;
    private readonly BackendDrain _drain;
    private readonly LeaderElection _election;
    private readonly IdentityAllocator _identities;
    private LocalObjects _objects = LocalObjects.Empty;
    private IReadOnlyList<string> _warnings = [];
    private readonly TaskCompletionSource _entered = NewSignal();
    private TaskCompletionSource _change = NewSignal();
    private TaskCompletionSource _identityChange = NewSignal();
    private Dictionary<string, uint> _ownIdentities = [];

    private AgentRuntime(AgentSettings settings, IClusterStore store, EtcdSettings? etcd, TimeProvider time, Action<string> log)
    {
        (Settings, Store, _time, _log) = (settings, store, time, log);
        Remotes = new RemoteClusters(settings.RemoteDirectory, settings.Remote with { ReadCopiesFrom = settings.Kvstoremesh ? etcd : null }, time, log);
        _objectReader = new PrefixReader(time, TakeObjects);
        PublishedPlace place = PublishedPlace.OfCluster(settings.Cluster, new ClusterConfig((uint)settings.ClusterId, MaxConnectedClusters: settings.MaxConnectedClusters));
        _publisher = new Publisher(store, place, time, log) { LeaseTime = settings.LeaseTime };
        MeshEtcd = settings.MeshEtcdConfig is string path ? new MeshEtcd(path, settings, place, time, log) : null;
        _drain = new BackendDrain(settings.DrainTime, time, Wake);
        _election = new LeaderElection(store, ElectionKey, settings.Node, time);
        _identities = new IdentityAllocator(store, IdentityRange.Of(settings.ClusterId, settings.MaxConnectedClusters));
        OwnIdentities own = new(settings.Cluster, LabelsOf);
        ForwarderIdentities told = new(
            settings.Cluster, Remotes.State, view => own.Of(Objects, view, Volatile.Read(ref _ownIdentities)), name => Remotes.Status.Any(s => s.Name == name && !IsSynced(s)));
        Forwarder = new ForwarderSync(settings.ForwarderSocket, MakeConfig, told, NextChangeAsync, time, log);
    }

    public AgentSettings Settings { get; }

    public IClusterStore Store { get; }

    /// <summary>The etcd that other clusters read; null when they read the store.</summary>
    public MeshEtcd? MeshEtcd { get; }

    public RemoteClusters Remotes { get; }

    public ForwarderSync Forwarder { get; }

    public LocalObjects Objects => Volatile.Read(ref _objects);

    /// <summary>Numbers of the identities of the own cluster's pods, by the text of their labels.</summary>
    public IReadOnlyDictionary<string, uint> IdentityNumbers => Volatile.Read(ref _ownIdentities);

    /// <summary>Fails when the agent cannot go on: the store is another cluster's, or another etcd answers.</summary>
    public Task Ended => _running[0];

    /// <summary>Completes when the store has shown that it is the cluster's.</summary>
    public Task Entered => _entered.Task;

    public bool IsLeader => _election.IsLeader;

    /// <summary>One sentence each for what is left out of the forwarder's configuration.</summary>
    public IReadOnlyList<string> Warnings => Volatile.Read(ref _warnings);

    public int GlobalServiceCount => Objects.Services.Values.Count(s => GlobalSettings.Of(s.Annotations).IsGlobal);

    /// <exception cref="StoreException">The embedded store cannot be opened.</exception>
    /// <exception cref="ConfigurationException">The etcd client file is wrong.</exception>
    public static AgentRuntime Start(AgentSettings settings, TimeProvider time, Action<string> log)
    {
        MakeRemoteDirectory(settings, log);
        EtcdSettings? etcd = settings.EtcdConfig is string path ? ReadEtcdConfig(path, settings) : null;
        IClusterStore store = etcd is null ? EmbeddedStore.Open(settings.StoreDirectory!, time) : new EtcdStore(etcd);
        AgentRuntime runtime = new(settings, store, etcd, time, log);
        runtime._running.Add(runtime.RunAsync(runtime._stop.Token));
        return runtime;
    }

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        await Task.WhenAll(_running.Select(t => t.ContinueWith(_ => { }, CancellationToken.None, TaskContinuationOptions.None, TaskScheduler.Default)));
        _drain.Dispose();
        await Remotes.DisposeAsync();
        await Store.DisposeAsync();
        _stop.Dispose();
    }

    /// <summary>The way packets take and the cluster's pod CIDRs, as the forwarder has them.</summary>
    public (string RoutingMode, IReadOnlyList<string> PodCidrs) Network() => (
        Forwarder.Forwarder?.Routing.Mode ?? "native", [.. Objects.Nodes.Values.SelectMany(n => n.PodCidrs).Distinct()]);

    /// <summary>What works on neither side's own: a peer whose pods our masquerading would hide, a global service that only we have.</summary>
    public IEnumerable<string> PeerWarnings() => PeerChecks.Run(Objects, Remotes.State.Current, Forwarder.Forwarder);

    /// <summary>Completes when an object, another cluster or an identity has changed. Taken before they are read.</summary>
    public Task NextNames() => Task.WhenAny(Volatile.Read(ref _change).Task, Volatile.Read(ref _identityChange).Task, Remotes.State.NextChange);

    private static TaskCompletionSource NewSignal() => new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>So that the first cluster is noticed at once; a directory that comes later is only found by the regular look.</summary>
    private static void MakeRemoteDirectory(AgentSettings settings, Action<string> log)
    {
        try
        {
            Directory.CreateDirectory(settings.RemoteDirectory);
        }
        catch (Exception fault) when (fault is IOException or UnauthorizedAccessException)
        {
            log($"{settings.RemoteDirectory}: the directory cannot be made ({fault.Message.TrimEnd('.')}); no other cluster is followed until it is there");
        }
    }

    internal static EtcdSettings ReadEtcdConfig(string path, AgentSettings settings)
    {
        string text = Configuration.DocumentReader.ReadText(path);
        return EtcdClientFile.Parse(text, out string mistake) is EtcdSettings etcd
            ? etcd with { HostAliases = settings.HostAliases.Concat(etcd.HostAliases).GroupBy(a => a.Key).ToDictionary(a => a.Key, a => a.Last().Value) }
            : throw new ConfigurationException($"{path}: {mistake}");
    }

    private async Task RunAsync(CancellationToken cancellation)
    {
        Backoff backoff = new(_time);
        while (true)
        {
            try
            {
                await EnterClusterAsync(cancellation);
                _entered.TrySetResult();
                break;
            }
            catch (StoreException fault) when (fault.Fault != StoreFault.Refused)
            {
                _log($"store: {fault.Message}");
                await backoff.WaitAsync(cancellation);
            }
        }

        await await Task.WhenAny(
            _objectReader.RunAsync(Store, ObjectKeys.Prefix, cancellation),
            PublishAsync(cancellation),
            _election.RunAsync(MeshEtcd is null ? _publisher.RunAsync : MeshEtcd.RunAsync, _log, cancellation),
            ServeForwarderAsync(cancellation),
            Settings.Kvstoremesh ? new LeaderElection(Store, MirrorElectionKey, Settings.Node, _time).RunAsync(MirrorAsync, _log, cancellation) : Task.Delay(Timeout.Infinite, cancellation));
    }

    /// <summary>For one term: follows the directory a second time, to copy.</summary>
    private async Task MirrorAsync(CancellationToken cancellation)
    {
        await using RemoteClusters mirror = new(
            Settings.RemoteDirectory, Settings.Remote with { CopyTo = Store }, _time, line => _log($"kvstoremesh: {line}"));
        await Task.Delay(Timeout.Infinite, cancellation);
    }

    /// <summary>The cluster's name, id and size hold from its first agent on: identities and everybody's records depend on them.</summary>
    private async Task EnterClusterAsync(CancellationToken cancellation)
    {
        string ours = $"{Settings.Cluster} {Settings.ClusterId} {Settings.MaxConnectedClusters}";
        await Store.CommitAsync([new StoreWrite(SettingsKey, Encoding.UTF8.GetBytes(ours), Expected: 0)], cancellation);
        string theirs = await Store.GetAsync(SettingsKey, cancellation) is StoreEntry entry ? Encoding.UTF8.GetString(entry.Value.Span) : ours;
        if (theirs != ours)
        {
            throw new StoreException(
                StoreFault.Refused,
                $"the store belongs to the cluster with name, id and maxConnectedClusters '{theirs}', the agent's file says '{ours}'; they are fixed at install: mend the file, or begin with an empty store");
        }

        await Store.CommitAsync([LocalObjects.Write(Settings.ToNode())], cancellation);
    }

    private List<string> TakeObjects(IReadOnlyList<StoreChange> changes)
    {
        List<string> refused = [];
        Volatile.Write(ref _objects, _objects.With(changes, refused));
        foreach (string key in refused)
        {
            _log($"store: {key} cannot be read and is ignored");
        }

        Wake();
        return refused;
    }

    private void Wake() => Interlocked.Exchange(ref _change, NewSignal()).TrySetResult();

    /// <summary>Every agent computes what is to be published, so that whoever leads next has it at once.</summary>
    private async Task PublishAsync(CancellationToken cancellation)
    {
        await _objectReader.Listed.WaitAsync(cancellation);
        Backoff backoff = new(_time);
        while (true)
        {
            Task change = Volatile.Read(ref _change).Task;
            try
            {
                LocalObjects objects = Objects;
                Dictionary<string, uint> identities = [];
                foreach (IdentityLabels labels in objects.RunningPods().Select(LabelsOf).Distinct())
                {
                    identities[labels.Text] = await _identities.AllocateAsync(labels, cancellation);
                }

                if (identities.Count != _ownIdentities.Count || identities.Any(i => !_ownIdentities.TryGetValue(i.Key, out uint before) || before != i.Value))
                {
                    Volatile.Write(ref _ownIdentities, identities);
                    Interlocked.Exchange(ref _identityChange, NewSignal()).TrySetResult();
                }

                IReadOnlyDictionary<string, byte[]> records = PublishedRecords.Of(objects, Settings.Cluster, (uint)Settings.ClusterId, identities, LabelsOf);
                _publisher.Publish(records);
                MeshEtcd?.Publish(records);
                backoff.Reset();
            }
            catch (StoreException fault)
            {
                _log($"identities: {fault.Message}");
                await backoff.WaitAsync(cancellation);
                continue;
            }

            await change.WaitAsync(cancellation);
        }
    }

    /// <summary>Nothing is told to the forwarder before the own objects are known in full: it keeps what it has.</summary>
    private async Task ServeForwarderAsync(CancellationToken cancellation)
    {
        await Task.WhenAll(_objectReader.Listed, Remotes.Scanned.Task).WaitAsync(cancellation);
        await Forwarder.RunAsync(cancellation);
    }

    private ChangeDocument MakeConfig(NodeDocument restored)
    {
        HashSet<string> synced = [.. Remotes.Status.Where(IsSynced).Select(s => s.Name)];
        HashSet<string> known = [.. Remotes.Status.Select(s => s.Name)];
        ChangeDocument document = ForwarderConfig.Make(
            Settings.Cluster, Settings.Node, Objects, Remotes.State.Current, restored, cluster => known.Contains(cluster) && !synced.Contains(cluster),
            out IReadOnlyList<string> warnings);
        foreach (string warning in warnings.Except(_warnings))
        {
            _log(warning);
        }

        Volatile.Write(ref _warnings, warnings);
        return _drain.Apply(document, cluster => cluster == Settings.Cluster || known.Contains(cluster));
    }

    private Task NextChangeAsync()
    {
        Task change = Task.WhenAny(Volatile.Read(ref _change).Task, Volatile.Read(ref _identityChange).Task, Remotes.State.NextChange);
        // That a cluster with nothing of its own has been listed changes no view.
        return Remotes.Status.All(IsSynced) ? change : Task.WhenAny(change, Task.Delay(s_syncLook, _time));
    }

    private static bool IsSynced(RemoteStatus status) => status is { NodesSynced: true, EndpointsSynced: true, IdentitiesSynced: true, ServicesSynced: true };

    private IdentityLabels LabelsOf(PodObject pod) => PodLabels.Of(pod, Settings.Cluster);
}
