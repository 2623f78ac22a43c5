using System.Collections.Immutable;

namespace ClusterMesh.Datapath.Observe;

/// <summary>The nodes of all clusters, as the agent knows them now. Readers see whole states; who waits is told of each change.</summary>
public sealed class PeerList
{
    private readonly Lock _lock = new();
    private TaskCompletionSource _changed = new(TaskCreationOptions.RunContinuationsAsynchronously); // guarded by _lock
    private ImmutableSortedDictionary<string, PeerNode> _peers = ImmutableSortedDictionary.Create<string, PeerNode>(StringComparer.Ordinal); // guarded by _lock

    /// <summary>By name, and a task that ends with the next change.</summary>
    public (ImmutableSortedDictionary<string, PeerNode> Peers, Task Changed) Current
    {
        get
        {
            lock (_lock)
            {
                return (_peers, _changed.Task);
            }
        }
    }

    /// <summary>Replaces all. A later peer of the same name wins.</summary>
    public void Set(IEnumerable<PeerNode> peers)
    {
        ArgumentNullException.ThrowIfNull(peers);
        TaskCompletionSource told;
        lock (_lock)
        {
            _peers = _peers.Clear().SetItems(peers.Select(peer => KeyValuePair.Create(peer.Name, peer)));
            told = _changed;
            _changed = new(TaskCreationOptions.RunContinuationsAsynchronously);
        }

        told.SetResult();
    }
}
