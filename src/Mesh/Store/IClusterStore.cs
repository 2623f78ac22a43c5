namespace ClusterMesh.Datapath.Mesh.Store;

/// <summary>
/// Keys and values with revisions, leases and watches: what etcd is, and what the agent's own file store offers in the same way. A revision
/// numbers every commit. All methods may be called from several threads; what cannot be done is a <see cref="StoreException"/> with one sentence.
/// </summary>
public interface IClusterStore : IAsyncDisposable
{
    /// <summary>Whether the last request was answered, and why not.</summary>
    StoreHealth Health { get; }

    Task<StoreEntry?> GetAsync(string key, CancellationToken cancellation = default);

    /// <summary>The entries below a prefix in the order of their keys, a page at a time, all as of the first page's revision or newer.</summary>
    /// <param name="previous">The page before this one; null for the first.</param>
    /// <param name="limit">Most entries of the page; it may hold fewer and still not be the last.</param>
    Task<StorePage> ListAsync(string prefix, StorePage? previous, int limit, CancellationToken cancellation = default);

    /// <summary>Does all writes or none, at most <see cref="StoreWrite.MostAtOnce"/>, each key once.</summary>
    /// <returns>False when an entry is not at the revision that a write expects; nothing is done then.</returns>
    Task<bool> CommitAsync(IReadOnlyList<StoreWrite> writes, CancellationToken cancellation = default);

    /// <summary>Removes everything below a prefix.</summary>
    Task DeletePrefixAsync(string prefix, CancellationToken cancellation = default);

    /// <summary>A lease removes the keys that are attached to it, once it is not kept alive for that long.</summary>
    /// <returns>Never 0, which means no lease.</returns>
    Task<long> GrantLeaseAsync(TimeSpan timeToLive, CancellationToken cancellation = default);

    /// <returns>False when the lease has expired.</returns>
    Task<bool> KeepLeaseAliveAsync(long lease, CancellationToken cancellation = default);

    /// <summary>Ends a lease and removes its keys; nothing happens when it is gone already.</summary>
    Task RevokeLeaseAsync(long lease, CancellationToken cancellation = default);

    /// <summary>
    /// Changes below a prefix from a revision on, as they happen. The first batch, without changes, says that the watch stands. Ends only by
    /// cancellation or a <see cref="StoreException"/>: <see cref="StoreFault.Compacted"/> when that revision is no longer known.
    /// </summary>
    IAsyncEnumerable<StoreBatch> WatchAsync(string prefix, long fromRevision, CancellationToken cancellation = default);
}
