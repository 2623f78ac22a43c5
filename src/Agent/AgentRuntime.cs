using System.Collections.Immutable;
using ClusterMesh.Datapath.Agent.Checks;
using ClusterMesh.Datapath.Agent.Probing;
using ClusterMesh.Datapath.Control.Documents;
using ClusterMesh.Datapath.Mesh.Identities;
using ClusterMesh.Datapath.Mesh.Objects;
using ClusterMesh.Datapath.Mesh.Remote;
using ClusterMesh.Datapath.Mesh.Schema;
using ClusterMesh.Datapath.Mesh.Services;
using ClusterMesh.Datapath.Mesh.Store;
using ClusterMesh.Datapath.State;

namespace ClusterMesh.Datapath.Agent;

/// <summary>Everything of one agent, wired together: store, own objects, other clusters, publisher, forwarder.</summary>
internal sealed class AgentRuntime : IAsyncDisposable
{
    private readonly TimeProvider _time;
    private readonly Action<string> _log;
    private readonly CancellationTokenSource _stop = new();
    private readonly List<Task> _running = [];
    private readonly PrefixReader _objectReader;
    private readonly EtcdSettings? _etcd;
    private readonly HealthResponder? _responder;
    private readonly NodeMemo _nodeMemo = new();
    private readonly BackendDrain _drain;
    private ClusterTerm _term;
    private LocalObjects _objects = LocalObjects.Empty;
    private IReadOnlyList<string> _warnings = [];
    private readonly TaskCompletionSource _entered = NewSignal();
    private TaskCompletionSource _change = NewSignal();
    private TaskCompletionSource _identityChange = NewSignal();
    private IReadOnlyDictionary<string, uint>? _ownIdentities;

    private AgentRuntime(AgentSettings settings, IClusterStore store, EtcdSettings? etcd, TimeProvider time, Action<string> log)
    {
        (Settings, _etcd, _time, _log) = (settings, etcd, time, log);
        Remotes = new RemoteClusters(settings.RemoteDirectory, settings.Remote with { ReadCopiesFrom = settings.Kvstoremesh ? etcd : null }, time, log);
        _objectReader = new PrefixReader(time, TakeObjects);
        MeshEtcd = settings.MeshEtcdConfig is string path ? new MeshEtcd(path, settings, ClusterTerm.PlaceOf(settings), time, log) : null;
        _drain = new BackendDrain(settings.DrainTime, time, Wake);
        _term = new ClusterTerm(this, store, null, time, log);
        if (settings.Health is HealthSettings health)
        {
            string self = $"{settings.Cluster}/{settings.Node}";
            Health = new HealthProber(self, health, () => HealthTargets.Of(settings.Cluster, Objects, Remotes.State.Current), time);
            _responder = new HealthResponder([.. settings.Addresses.Where(a => a.Type == NodeAddress.InternalIp).Select(a => System.Net.IPAddress.Parse(a.Address))], health.Port, Health.ReportOf, log);
        }

        OwnIdentities own = new(settings.Cluster, LabelsOf);
        ForwarderIdentities told = new(
            Remotes.State, view => own.Of(Objects, view, IdentityNumbers),
            name => name == settings.Cluster ? !HasIdentities : Remotes.Status.Any(s => s.Name == name && !IsSynced(s)));
        Forwarder = new ForwarderSync(settings.ForwarderSocket, MakeConfig, told, NextChange, time, log);
    }

    public AgentSettings Settings { get; }

    /// <summary>The store of now: another one after the cluster's etcd was replaced.</summary>
    public IClusterStore Store => Volatile.Read(ref _term).Store;

    /// <summary>How the cluster's etcd is reached; null for the store in a file.</summary>
    public EtcdSettings? Etcd => _etcd;

    /// <summary>The etcd that other clusters read; null when they read the store.</summary>
    public MeshEtcd? MeshEtcd { get; }

    public RemoteClusters Remotes { get; }

    public ForwarderSync Forwarder { get; }

    /// <summary>How the nodes of the mesh see each other; null when they do not try.</summary>
    public HealthProber? Health { get; }

    public LocalObjects Objects => Volatile.Read(ref _objects);

    /// <summary>Numbers of the identities of the own cluster's pods, by the text of their labels.</summary>
    public IReadOnlyDictionary<string, uint> IdentityNumbers => Volatile.Read(ref _ownIdentities) ?? ImmutableDictionary<string, uint>.Empty;

    /// <summary>The store has been asked for them: until then nobody's identity is taken from the forwarder.</summary>
    private bool HasIdentities => Volatile.Read(ref _ownIdentities) is not null;

    /// <summary>Completes with the next change of the own objects, or of their identities.</summary>
    public Task NextObjectChange => Volatile.Read(ref _change).Task;

    /// <summary>Fails when the agent cannot go on: the store is another cluster's.</summary>
    public Task Ended => _running[0];

    /// <summary>Completes when the store has shown that it is the cluster's.</summary>
    public Task Entered => _entered.Task;

    public bool IsLeader => Volatile.Read(ref _term).IsLeader;

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
        if (_responder is not null)
        {
            await _responder.DisposeAsync();
        }

        Health?.Dispose();
        _drain.Dispose();
        await Remotes.DisposeAsync();
        await Store.DisposeAsync();
        _stop.Dispose();
    }

    /// <summary>The way packets take and the cluster's pod CIDRs, as the forwarder has them.</summary>
    public (string RoutingMode, IReadOnlyList<string> PodCidrs) Network() => (
        Forwarder.Forwarder?.Routing.Mode ?? Settings.RoutingMode ?? "native", [.. Objects.Nodes.Values.SelectMany(n => n.PodCidrs).Distinct()]);

    /// <summary>What works on neither side's own: a peer whose pods our masquerading would hide, a global service that only we have.</summary>
    public IEnumerable<string> PeerWarnings()
    {
        IReadOnlyList<RemoteFile> files = Remotes.Files;
        return
        [
            .. PeerChecks.OwnForwarder(Settings, Forwarder.Forwarder),
            .. PeerChecks.Run(Objects, Remotes.State.Current, Forwarder.Forwarder),
            .. PeerChecks.RoutingModes(Forwarder.Forwarder?.Routing.Mode, files.Select(f => (f.Name, f.Settings.RoutingMode))),
            .. files.SelectMany(f => CertificateChecks.Ending(f.Name, f.Settings, _time.GetUtcNow())),
            .. from remote in Remotes.Status where remote.ClockSkew is TimeSpan ahead && EndpointProbe.IsSkewed(ahead) select EndpointProbe.SkewText($"cluster {remote.Name}", remote.ClockSkew!.Value),
        ];
    }

    /// <summary>What may be meant as it is.</summary>
    public IEnumerable<string> PeerHints() => PeerChecks.Hints(Objects, Remotes.State.Current, Remotes.Status.Where(IsSynced).Select(s => s.Name));

    /// <summary>Completes when an object, another cluster or an identity has changed. Taken before they are read.</summary>
    public Task NextNames() => Task.WhenAny(Volatile.Read(ref _change).Task, Volatile.Read(ref _identityChange).Task, Remotes.State.NextChange);

    /// <summary>What the cluster's store has given.</summary>
    public void TakeIdentities(IReadOnlyDictionary<string, uint> identities)
    {
        IReadOnlyDictionary<string, uint> known = IdentityNumbers;
        if (!HasIdentities || identities.Count != known.Count || identities.Any(i => !known.TryGetValue(i.Key, out uint before) || before != i.Value))
        {
            Volatile.Write(ref _ownIdentities, identities);
            Interlocked.Exchange(ref _identityChange, NewSignal()).TrySetResult();
        }
    }

    /// <summary>The store is the cluster's.</summary>
    public void Enter() => _entered.TrySetResult();

    /// <summary>Something that depends on the own objects is to be computed again.</summary>
    public void Wake() => Interlocked.Exchange(ref _change, NewSignal()).TrySetResult();

    public IdentityLabels LabelsOf(PodObject pod) => PodLabels.Of(pod, Settings.Cluster, Objects);

    /// <summary>The identities of all pods, as text, those that a deployment has scaled away included; null while the objects are not known in full.</summary>
    public IReadOnlySet<string>? LabelsInUse() =>
        _objectReader.Listed.IsCompletedSuccessfully ? Objects.Pods.Values.Select(p => LabelsOf(p).Text).ToHashSet(StringComparer.Ordinal) : null;

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
        _responder?.Start();
        Task serving = Health is null ? ServeForwarderAsync(cancellation) : Task.WhenAny(ServeForwarderAsync(cancellation), ProbeAsync(Health, cancellation)).Unwrap();
        while (true)
        {
            try
            {
                await await Task.WhenAny(_term.RunAsync(_objectReader, cancellation), serving);
            }
            catch (StoreException fault) when (fault.Fault == StoreFault.Replaced && _etcd is not null)
            {
                // The forwarder keeps what it has meanwhile: nothing is taken from it before the new etcd has been listed in full.
                _log($"store: {fault.Message}; going on with it");
                IClusterStore before = Store;
                Volatile.Write(ref _term, new ClusterTerm(this, new EtcdStore(_etcd), _term, _time, _log));
                await before.DisposeAsync();
            }
        }
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

    /// <summary>Nothing is told to the forwarder before the own objects are known in full: it keeps what it has.</summary>
    private async Task ServeForwarderAsync(CancellationToken cancellation)
    {
        await Task.WhenAll(_objectReader.Listed, Remotes.Scanned.Task).WaitAsync(cancellation);
        await Forwarder.RunAsync(cancellation);
    }

    private async Task ProbeAsync(HealthProber health, CancellationToken cancellation)
    {
        await Task.WhenAll(_objectReader.Listed, Remotes.Scanned.Task).WaitAsync(cancellation);
        await health.RunAsync(cancellation);
    }

    private ChangeDocument MakeConfig(NodeDocument restored)
    {
        IReadOnlyList<RemoteStatus> remotes = Remotes.Status;
        HashSet<string> synced = [.. remotes.Where(IsSynced).Select(s => s.Name)];
        HashSet<string> known = [.. remotes.Select(s => s.Name)];
        ChangeDocument document = ForwarderConfig.Make(
            Settings.Cluster, Settings.ClusterId, Settings.Node, Objects, Remotes.State.Current, restored, cluster => known.Contains(cluster) && !synced.Contains(cluster),
            _nodeMemo, out IReadOnlyList<string> warnings);
        foreach (string warning in warnings.Except(_warnings))
        {
            _log(warning);
        }

        Volatile.Write(ref _warnings, warnings);
        document = document with
        {
            Policies = new PolicyDocuments(Settings.Cluster, Settings.IsPolicyLocalByDefault, Objects, Remotes.State.Current, LabelsOf).Make(),
        };
        return _drain.Apply(document, cluster => cluster == Settings.Cluster || known.Contains(cluster));
    }

    private Task<Task> NextChange() => Task.WhenAny(Volatile.Read(ref _change).Task, Volatile.Read(ref _identityChange).Task, Remotes.State.NextChange, Remotes.NextListing);

    private static bool IsSynced(RemoteStatus status) => status is { NodesSynced: true, EndpointsSynced: true, IdentitiesSynced: true, ServicesSynced: true };

}
