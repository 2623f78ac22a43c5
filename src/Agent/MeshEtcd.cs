using ClusterMesh.Datapath.Mesh.Publishing;
using ClusterMesh.Datapath.Mesh.Remote;
using ClusterMesh.Datapath.Mesh.Store;
using ClusterMesh.Datapath.State;

namespace ClusterMesh.Datapath.Agent;

/// <summary>
/// Publishes the cluster into an etcd of its own, which other clusters may read (Cilium's clustermesh-apiserver), while the cluster's
/// objects lie in another. That etcd holds nothing that is not published again, so it may come late, go and come back empty.
/// </summary>
/// <param name="path">Its etcd client file; read anew at each connection.</param>
internal sealed class MeshEtcd(string path, AgentSettings settings, PublishedPlace place, TimeProvider time, Action<string> log)
{
    private const string NotEnabled = "not enabled; run cmesh clustermesh enable";
    private static readonly TimeSpan s_look = TimeSpan.FromMilliseconds(250);
    private static readonly TimeSpan s_longestPause = TimeSpan.FromSeconds(5);

    private IReadOnlyDictionary<string, byte[]>? _records;
    private volatile Publisher? _publisher;
    private volatile EtcdStore? _store;
    private volatile StoreHealth _last = new(false, NotEnabled);

    /// <summary>Of this agent's connection; it has one only while it leads.</summary>
    public StoreHealth Health => _store?.Health ?? _last;

    /// <summary>What shall be published from now on.</summary>
    public void Publish(IReadOnlyDictionary<string, byte[]> records)
    {
        Volatile.Write(ref _records, records);
        _publisher?.Publish(records);
    }

    /// <summary>Runs for one term as leader.</summary>
    public async Task RunAsync(CancellationToken cancellation)
    {
        Backoff backoff = new(time, longest: s_longestPause);
        while (true)
        {
            try
            {
                await RunSessionAsync(await SettingsAsync(cancellation), cancellation);
            }
            catch (Exception fault) when (fault is StoreException or ConfigurationException)
            {
                _last = new StoreHealth(false, fault.Message);
                log($"publishing: {fault.Message}");
            }

            await backoff.WaitAsync(cancellation);
        }
    }

    /// <summary>Before the cluster is enabled there is nobody to write to.</summary>
    private async Task<EtcdSettings> SettingsAsync(CancellationToken cancellation)
    {
        EtcdSettings etcd = AgentRuntime.ReadEtcdConfig(path, settings);
        while (etcd.CertFile is string certificate && !File.Exists(certificate))
        {
            _last = new StoreHealth(false, NotEnabled);
            await Task.Delay(s_look, time, cancellation);
        }

        return etcd;
    }

    /// <summary>Before anything is published, so that no other cluster ever has more rights than it should. An etcd that knows nobody is published to all the same.</summary>
    private async Task EnsureUsersAsync(EtcdSettings etcd, CancellationToken cancellation)
    {
        try
        {
            foreach (string line in await EtcdAccess.EnsureAsync(etcd, settings.Cluster, time, cancellation))
            {
                log($"publishing: {line}");
            }
        }
        catch (StoreException fault) when (fault.Fault == StoreFault.Refused)
        {
            log($"publishing: users and roles of the cluster's etcd are not set up: {fault.Message}");
        }
    }

    private async Task RunSessionAsync(EtcdSettings etcd, CancellationToken cancellation)
    {
        await using EtcdStore store = new(etcd);
        _store = store;
        if (etcd.CertFile is not null)
        {
            await EnsureUsersAsync(etcd, cancellation);
        }

        Publisher publisher = new(store, place, time, log) { LeaseTime = settings.LeaseTime };
        _publisher = publisher;
        if (Volatile.Read(ref _records) is IReadOnlyDictionary<string, byte[]> records)
        {
            publisher.Publish(records);
        }

        try
        {
            await publisher.RunAsync(cancellation);
        }
        finally
        {
            (_publisher, _last, _store) = (null, store.Health, null);
        }
    }
}
