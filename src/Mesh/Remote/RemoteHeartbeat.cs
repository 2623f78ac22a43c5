using System.Globalization;
using System.Text;
using ClusterMesh.Datapath.Mesh.Schema;
using ClusterMesh.Datapath.Mesh.Store;

namespace ClusterMesh.Datapath.Mesh.Remote;

/// <summary>
/// A cluster's heartbeat: its agent rewrites one key every minute with the time that its own clock shows. So it tells that somebody still
/// publishes, and how far that clock is from ours. How long ago it was is measured by the clock that nobody sets.
/// </summary>
internal sealed class RemoteHeartbeat
{
    private readonly TimeProvider _time;
    private readonly PrefixReader _reader;
    private long _last;
    private long _skewTicks = long.MinValue;

    public RemoteHeartbeat(TimeProvider time)
    {
        _time = time;
        _reader = new PrefixReader(time, Take);
        Begin();
    }

    /// <summary>Since the last beat, or since the connection began.</summary>
    public TimeSpan Age => _time.GetElapsedTime(Interlocked.Read(ref _last));

    /// <summary>How long nothing at all was heard; null when nothing ever was.</summary>
    public TimeSpan? Silence => _reader.Silence;

    /// <summary>How far the cluster's clock is ahead of ours, negative when behind, to a second or so; null before the first beat that was seen live.</summary>
    public TimeSpan? Skew => Interlocked.Read(ref _skewTicks) is long ticks and not long.MinValue ? TimeSpan.FromTicks(ticks) : null;

    /// <summary>A new connection has its whole time for the first beat.</summary>
    public void Begin() => Interlocked.Exchange(ref _last, _time.GetTimestamp());

    public Task RunAsync(IClusterStore store, CancellationToken cancellation) => _reader.RunAsync(store, MeshKeys.Heartbeat, cancellation);

    private IReadOnlyCollection<string> Take(IReadOnlyList<StoreChange> changes)
    {
        Begin();
        // What a list finds was written up to a minute ago; a change that is watched was written just now.
        if (!_reader.IsListing && changes[^1].Value is ReadOnlyMemory<byte> value && ReadTime(value.Span) is DateTimeOffset said)
        {
            Interlocked.Exchange(ref _skewTicks, (said - _time.GetUtcNow()).Ticks);
        }

        return [];
    }

    private static DateTimeOffset? ReadTime(ReadOnlySpan<byte> value) =>
        value.Length <= 64 && DateTimeOffset.TryParse(Encoding.UTF8.GetString(value), CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out DateTimeOffset time) ? time : null;
}
