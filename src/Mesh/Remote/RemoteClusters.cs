using System.Threading.Channels;
using ClusterMesh.Datapath.Mesh.Mirror;
using ClusterMesh.Datapath.Mesh.Store;

namespace ClusterMesh.Datapath.Mesh.Remote;

/// <summary>
/// All remote clusters: follows the directory of their files, connects to what appears there, connects anew when a file's content changes,
/// and forgets what is removed. Changes are noticed at once by inotify; the directory is read again every ten seconds in any case, since
/// a link's target can change where no watch is.
/// </summary>
public sealed class RemoteClusters : IAsyncDisposable
{
    private static readonly TimeSpan s_rescan = TimeSpan.FromSeconds(10);

    private readonly string _directory;
    private readonly RemoteOptions _options;
    private readonly TimeProvider _time;
    private readonly Action<string> _log;
    private readonly ClusterIds _ids;
    private readonly CancellationTokenSource _stop = new();
    private readonly Channel<bool> _wake = Channel.CreateBounded<bool>(new BoundedChannelOptions(1) { FullMode = BoundedChannelFullMode.DropWrite });
    private readonly HashSet<string> _said = [];
    private readonly Dictionary<string, Task> _removals = [];

    /// <summary>Replaced whole, so that the status reads it without a lock.</summary>
    private volatile IReadOnlyDictionary<string, Connection> _connections = new SortedDictionary<string, Connection>(StringComparer.Ordinal);
    private readonly Task _running;
    private FileSystemWatcher? _watcher;
    private TaskCompletionSource _listing = NewSignal();

    public RemoteClusters(string directory, RemoteOptions options, TimeProvider time, Action<string> log)
    {
        (_directory, _options, _time, _log) = (directory, options, time, log);
        _ids = new ClusterIds(options.LocalId);
        Scanned = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        _running = Task.Run(RunAsync);
    }

    /// <summary>What is known of all clusters.</summary>
    public MeshState State { get; } = new();

    /// <summary>Completes when the directory has been read once.</summary>
    public TaskCompletionSource Scanned { get; }

    /// <summary>Completes when one of the clusters has been listed in full, which changes no view when it has nothing, or when there are others. Take it before <see cref="Status"/>.</summary>
    public Task NextListing => Volatile.Read(ref _listing).Task;

    public IReadOnlyList<RemoteStatus> Status => [.. _connections.Values.Select(c => c.Cluster.Status)];

    /// <summary>The files of the clusters, for troubleshooting.</summary>
    public IReadOnlyList<RemoteFile> Files => [.. _connections.Values.Select(c => c.Cluster.File)];

    /// <summary>
    /// Waits until every cluster of the directory has been listed once, but no longer than a limit: a cluster that is away must not keep
    /// the others from being used.
    /// </summary>
    /// <returns>The names of those that are not there yet.</returns>
    public async Task<IReadOnlyList<string>> SyncAsync(TimeSpan limit, CancellationToken cancellation)
    {
        await Scanned.Task.WaitAsync(cancellation);
        IReadOnlyDictionary<string, Connection> connections = _connections;
        try
        {
            await Task.WhenAll(connections.Values.Select(c => c.Cluster.Synced)).WaitAsync(limit, _time, cancellation);
            return [];
        }
        catch (TimeoutException)
        {
            return [.. connections.Where(c => !c.Value.Cluster.Synced.IsCompleted).Select(c => c.Key)];
        }
    }

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        _wake.Writer.TryWrite(true);
        await _running;
        foreach (Connection connection in _connections.Values)
        {
            await connection.StopAsync();
            connection.Cluster.Dispose();
        }

        _watcher?.Dispose();
    }

    private static TaskCompletionSource NewSignal() => new(TaskCreationOptions.RunContinuationsAsynchronously);

    private void TellListing() => Interlocked.Exchange(ref _listing, NewSignal()).TrySetResult();

    private async Task RunAsync()
    {
        while (!_stop.IsCancellationRequested)
        {
            EnsureWatcher();
            await ApplyAsync();
            Scanned.TrySetResult();
            using CancellationTokenSource rescan = new(s_rescan, _time);
            try
            {
                await _wake.Reader.ReadAsync(rescan.Token);
            }
            catch (OperationCanceledException)
            {
                // Time to look by ourselves.
            }
        }
    }

    private async Task ApplyAsync()
    {
        IReadOnlyDictionary<string, RemoteFile> wanted = RemoteDirectory.Read(_directory, _options.LocalName, out IReadOnlyList<string> mistakes);
        foreach (string mistake in mistakes.Where(_said.Add))
        {
            _log(mistake);
        }

        _said.IntersectWith(mistakes);
        SortedDictionary<string, Connection> next = new(StringComparer.Ordinal);
        foreach ((string name, Connection connection) in _connections)
        {
            if (!wanted.TryGetValue(name, out RemoteFile? file))
            {
                await connection.StopAsync();
                connection.Cluster.Drain();
                connection.Cluster.Dispose();
                if (connection.Cluster.Copy is RecordCopy copy)
                {
                    _removals[name] = RemoveCopyAsync(copy);
                }

                _log($"cluster {name}: removed; its nodes, services, addresses and identities are forgotten");
            }
            else if (file.Hash == connection.Cluster.File.Hash)
            {
                next[name] = connection;
            }
            else
            {
                // Known data stay until the new connection's first full list.
                await connection.StopAsync();
                next[name] = Start(file, connection.Cluster);
            }
        }

        foreach (RemoteFile file in wanted.Values.Where(f => !next.ContainsKey(f.Name)))
        {
            // A cluster that comes back while its copy is being removed waits for the end of that, else it would lose the new one.
            if (_removals.TryGetValue(file.Name, out Task? removal) && !removal.IsCompleted)
            {
                continue;
            }

            next[file.Name] = Start(file, null);
        }

        bool isOther = !next.Keys.SequenceEqual(_connections.Keys);
        _connections = next;
        if (isOther)
        {
            TellListing();
        }
    }

    private async Task RemoveCopyAsync(RecordCopy copy)
    {
        try
        {
            await copy.RemoveAsync(_stop.Token);
        }
        catch (Exception fault) when (fault is StoreException or OperationCanceledException)
        {
            // Its leases end it at the latest.
        }
    }

    private Connection Start(RemoteFile file, RemoteCluster? before)
    {
        RemoteFile read = _options.ReadCopiesFrom is null ? file : file with { Settings = _options.ReadCopiesFrom };
        RecordCopy? copy = _options.CopyTo is null ? null : before?.Copy ?? new RecordCopy(file.Name, _options.CopyTo, _time, _log);
        RemoteCluster cluster = before?.With(read) ?? Follow(new RemoteCluster(read, _options, State, _ids, _time, _log, copy));
        CancellationTokenSource stop = new();
        Task running = copy is null ? cluster.RunAsync(stop.Token) : Task.WhenAll(cluster.RunAsync(stop.Token), copy.RunAsync(stop.Token));
        return new Connection(cluster, stop, running);
    }

    private RemoteCluster Follow(RemoteCluster cluster)
    {
        _ = cluster.Synced.ContinueWith(_ => TellListing(), CancellationToken.None, TaskContinuationOptions.ExecuteSynchronously, TaskScheduler.Default);
        return cluster;
    }

    /// <summary>A directory that is not there yet, or was replaced, gets its watch when it is.</summary>
    private void EnsureWatcher()
    {
        if (_watcher is { EnableRaisingEvents: true } && Directory.Exists(_directory))
        {
            return;
        }

        _watcher?.Dispose();
        _watcher = null;
        if (!Directory.Exists(_directory))
        {
            return;
        }

        try
        {
            FileSystemWatcher watcher = new(_directory) { NotifyFilter = NotifyFilters.FileName | NotifyFilters.DirectoryName | NotifyFilters.LastWrite };
            watcher.Created += Wake;
            watcher.Changed += Wake;
            watcher.Deleted += Wake;
            watcher.Renamed += Wake;
            watcher.Error += (_, _) => watcher.EnableRaisingEvents = false;
            watcher.EnableRaisingEvents = true;
            _watcher = watcher;
        }
        catch (Exception fault) when (fault is IOException or ArgumentException)
        {
            // Out of inotify instances, or just gone: the regular look remains.
        }
    }

    private void Wake(object sender, FileSystemEventArgs change) => _wake.Writer.TryWrite(true);

    private sealed record Connection(RemoteCluster Cluster, CancellationTokenSource Stop, Task Running)
    {
        public async Task StopAsync()
        {
            await Stop.CancelAsync();
            await Running.ContinueWith(_ => { }, CancellationToken.None, TaskContinuationOptions.None, TaskScheduler.Default);
            Stop.Dispose();
        }
    }
}
