using ClusterMesh.Datapath.Observe.Hubble.Observers;

namespace ClusterMesh.Datapath.Observe.Relay;

/// <summary>
/// Puts the streams of several nodes, each in the order of time, into one in the order of time. The oldest event goes on once every node has
/// shown its next one; a node that shows nothing holds the others up for a limited time only.
/// </summary>
internal sealed class RelayMerge
{
    private readonly List<RelaySource> _sources;
    private readonly TimeProvider _clock;
    private readonly TimeSpan _patience;

    public RelayMerge(IEnumerable<RelaySource> sources, TimeProvider clock, TimeSpan patience)
    {
        _sources = [.. sources];
        _clock = clock;
        _patience = patience;
    }

    public IEnumerable<PeerNode> Peers => _sources.Select(source => source.Peer);

    public bool IsDone => _sources.Count == 0;

    public void Add(RelaySource source) => _sources.Add(source);

    /// <summary>Ends the streams of peers that are not among these, and names them.</summary>
    public IReadOnlyList<string> RemoveExcept(IEnumerable<PeerNode> peers)
    {
        HashSet<PeerNode> kept = [.. peers];
        RelaySource[] gone = [.. _sources.Where(source => !kept.Contains(source.Peer))];
        foreach (RelaySource source in gone)
        {
            source.Dispose();
            _sources.Remove(source);
        }

        return [.. gone.Select(source => source.Peer.Name)];
    }

    /// <summary>The next event that may go on now; null when it must be waited for.</summary>
    public GetFlowsResponse? TryTake()
    {
        RelaySource? oldest = null;
        bool complete = true;
        for (int i = _sources.Count - 1; i >= 0; i--)
        {
            RelaySource source = _sources[i];
            source.Refresh();
            if (source.IsDone)
            {
                source.Dispose();
                _sources.RemoveAt(i);
            }
            else if (source.Head is null)
            {
                complete = false;
            }
            else if (oldest is null || IsBefore(source.Head.Value.Response, oldest.Head!.Value.Response))
            {
                oldest = source;
            }
        }

        return oldest is not null && (complete || Remaining(oldest) <= TimeSpan.Zero) ? oldest.Take() : null;
    }

    /// <summary>Ends when <see cref="TryTake"/> may have something, or with <paramref name="other"/>.</summary>
    public async Task WaitAsync(Task other, CancellationToken cancellation)
    {
        List<Task> tasks = [other, .. _sources.Where(source => source.Head is null).Select(source => source.WaitAsync())];
        using CancellationTokenSource over = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        TimeSpan[] remaining = [.. _sources.Where(source => source.Head is not null).Select(Remaining)];
        tasks.Add(Task.Delay(remaining.Length == 0 ? Timeout.InfiniteTimeSpan : TimeSpan.FromTicks(Math.Max(remaining.Min().Ticks, 0)), _clock, over.Token));
        await Task.WhenAny(tasks).ConfigureAwait(false);
        await over.CancelAsync().ConfigureAwait(false);
        cancellation.ThrowIfCancellationRequested();
    }

    public void Stop() => _sources.ForEach(source => source.Dispose());

    // Notices of a node's state belong to no time of the stream and go first.
    private static bool IsBefore(GetFlowsResponse left, GetFlowsResponse right) =>
        left.ResponseTypesCase == GetFlowsResponse.ResponseTypesOneofCase.NodeStatus
        || (right.ResponseTypesCase != GetFlowsResponse.ResponseTypesOneofCase.NodeStatus && left.Time?.CompareTo(right.Time) < 0);

    private TimeSpan Remaining(RelaySource source) => _patience - _clock.GetElapsedTime(source.Head!.Value.Arrived);
}
