using System.Text;
using ClusterMesh.Datapath.Mesh.Identities;
using ClusterMesh.Datapath.Mesh.Objects;
using ClusterMesh.Datapath.Mesh.Publishing;
using ClusterMesh.Datapath.Mesh.Remote;
using ClusterMesh.Datapath.Mesh.Schema;
using ClusterMesh.Datapath.Mesh.Store;

namespace ClusterMesh.Datapath.Agent;

/// <summary>
/// What an agent does with one cluster store, from entering the cluster to the store's end: follows the objects, gives identities, publishes
/// and copies while it leads. When another etcd answers in the store's place the term ends, and the next one begins with what is known.
/// </summary>
internal sealed class ClusterTerm
{
    private const string SettingsKey = "cmesh/settings/v1/cluster";
    private const string ElectionKey = "cmesh/leader/publisher";
    private const string MirrorElectionKey = "cmesh/leader/kvstoremesh";

    private readonly AgentSettings _settings;
    private readonly AgentRuntime _agent;
    private readonly TimeProvider _time;
    private readonly Action<string> _log;
    private readonly Publisher _publisher;
    private readonly LeaderElection _election;
    private readonly IdentityAllocator _identities;
    private readonly IdentityCollector _collector;

    /// <param name="before">The term whose store was replaced by this one's; null for the first.</param>
    public ClusterTerm(AgentRuntime agent, IClusterStore store, ClusterTerm? before, TimeProvider time, Action<string> log)
    {
        (_agent, Store, _time, _log, _settings) = (agent, store, time, log, agent.Settings);
        IsRestoring = before is not null;
        _publisher = new Publisher(store, PlaceOf(_settings), time, log) { LeaseTime = _settings.LeaseTime };
        _election = new LeaderElection(store, ElectionKey, _settings.Node, time);
        _identities = new IdentityAllocator(store, IdentityRange.Of(_settings.ClusterId, _settings.MaxConnectedClusters), before?._identities.Known);
        _collector = new IdentityCollector(store, agent.LabelsInUse, time, log);
    }

    /// <summary>Where the cluster publishes.</summary>
    public static PublishedPlace PlaceOf(AgentSettings settings) =>
        PublishedPlace.OfCluster(settings.Cluster, new ClusterConfig((uint)settings.ClusterId, MaxConnectedClusters: settings.MaxConnectedClusters));

    public IClusterStore Store { get; }

    public bool IsLeader => _election.IsLeader;

    /// <summary>Another store was here before: what was known of it is put into an empty one.</summary>
    private bool IsRestoring { get; }

    /// <summary>Until cancelled, or until the store is not the cluster's or was replaced.</summary>
    /// <exception cref="StoreException">With <see cref="StoreFault.Replaced"/>, begin another term; with others the agent cannot go on.</exception>
    public async Task RunAsync(PrefixReader objectReader, CancellationToken cancellation)
    {
        using CancellationTokenSource term = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        await EnterAsync(term.Token);
        _agent.Enter();
        List<Task> running =
        [
            objectReader.RunAsync(Store, ObjectKeys.Prefix, term.Token),
            PublishAsync(objectReader, term.Token),
            _identities.FollowAsync(_time, _agent.Wake, term.Token),
            _election.RunAsync(LeadAsync, _log, term.Token),
        ];
        if (_settings.Kvstoremesh)
        {
            running.Add(new LeaderElection(Store, MirrorElectionKey, _settings.Node, _time).RunAsync(MirrorAsync, _log, term.Token));
        }

        try
        {
            await await Task.WhenAny(running);
        }
        finally
        {
            await term.CancelAsync();
            await Task.WhenAll(running.Select(Ended));
        }
    }

    private static Task Ended(Task task) => task.ContinueWith(_ => { }, CancellationToken.None, TaskContinuationOptions.None, TaskScheduler.Default);

    private async Task EnterAsync(CancellationToken cancellation)
    {
        Backoff backoff = new(_time);
        while (true)
        {
            try
            {
                await RestoreAsync(cancellation);
                await ClaimAsync(cancellation);
                return;
            }
            catch (StoreException fault) when (fault.Fault is not (StoreFault.Refused or StoreFault.Replaced))
            {
                _log($"store: {fault.Message}");
                await backoff.WaitAsync(cancellation);
            }
        }
    }

    /// <summary>
    /// An etcd that was replaced by an empty one gets the objects back that the agents still know, so that no service ends because a disk
    /// did. One that holds a cluster already, restored from a copy or filled by another agent, is left as it is.
    /// </summary>
    private async Task RestoreAsync(CancellationToken cancellation)
    {
        if (!IsRestoring || await Store.GetAsync(SettingsKey, cancellation) is not null)
        {
            return;
        }

        int count = 0;
        foreach (StoreWrite write in _agent.Objects.Writes())
        {
            // Nothing that somebody has written meanwhile is overwritten.
            count += await Store.CommitAsync([write with { Expected = 0 }], cancellation) ? 1 : 0;
        }

        _log($"store: the etcd that answers now was empty; {count} objects that were known are put back");
    }

    /// <summary>The cluster's name, id and size hold from its first agent on: identities and everybody's records depend on them.</summary>
    private async Task ClaimAsync(CancellationToken cancellation)
    {
        string ours = $"{_settings.Cluster} {_settings.ClusterId} {_settings.MaxConnectedClusters}";
        StoreWrite node = LocalObjects.Write(_settings.ToNode());

        // Who comes back finds what it has written, and a question waits for no disk.
        StoreEntry?[] known = await Task.WhenAll(Store.GetAsync(SettingsKey, cancellation), Store.GetAsync(node.Key, cancellation));
        StoreEntry? settings = known[0];
        if (settings is null)
        {
            await Store.CommitAsync([new StoreWrite(SettingsKey, Encoding.UTF8.GetBytes(ours), Expected: 0)], cancellation);
            settings = await Store.GetAsync(SettingsKey, cancellation);
        }

        string theirs = settings is StoreEntry entry ? Encoding.UTF8.GetString(entry.Value.Span) : ours;
        if (theirs != ours)
        {
            throw new StoreException(
                StoreFault.Refused,
                $"the store belongs to the cluster with name, id and maxConnectedClusters '{theirs}', the agent's file says '{ours}'; they are fixed at install: mend the file, or begin with an empty store");
        }

        if (known[1] is not StoreEntry before || !before.Value.Span.SequenceEqual(node.Value!.Value.Span))
        {
            await Store.CommitAsync([node], cancellation);
        }
    }

    /// <summary>Every agent computes what is to be published, so that whoever leads next has it at once.</summary>
    private async Task PublishAsync(PrefixReader objectReader, CancellationToken cancellation)
    {
        await objectReader.Listed.WaitAsync(cancellation);
        Backoff backoff = new(_time);
        while (true)
        {
            Task change = _agent.NextObjectChange;
            try
            {
                LocalObjects objects = _agent.Objects;
                Dictionary<string, uint> identities = [];
                foreach (IdentityLabels labels in objects.RunningPods().Select(_agent.LabelsOf).Distinct())
                {
                    identities[labels.Text] = await _identities.AllocateAsync(labels, cancellation);
                }

                _agent.TakeIdentities(identities);
                IReadOnlyDictionary<string, byte[]> records = PublishedRecords.Of(objects, _settings.Cluster, (uint)_settings.ClusterId, identities, _agent.LabelsOf);
                _publisher.Publish(records);
                _agent.MeshEtcd?.Publish(records);
                backoff.Reset();
            }
            catch (StoreException fault) when (fault.Fault != StoreFault.Replaced)
            {
                _log($"identities: {fault.Message}");
                await backoff.WaitAsync(cancellation);
                continue;
            }

            await change.WaitAsync(cancellation);
        }
    }

    private async Task LeadAsync(CancellationToken cancellation)
    {
        using CancellationTokenSource leading = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        Task[] running = [_agent.MeshEtcd?.RunAsync(leading.Token) ?? _publisher.RunAsync(leading.Token), _collector.RunAsync(leading.Token)];
        try
        {
            await await Task.WhenAny(running);
        }
        finally
        {
            await leading.CancelAsync();
            await Task.WhenAll(running.Select(Ended));
        }
    }

    /// <summary>For one term: follows the directory a second time, to copy.</summary>
    private async Task MirrorAsync(CancellationToken cancellation)
    {
        await using RemoteClusters mirror = new(
            _settings.RemoteDirectory, _settings.Remote with { CopyTo = Store }, _time, line => _log($"kvstoremesh: {line}"));
        await Task.Delay(Timeout.Infinite, cancellation);
    }
}
