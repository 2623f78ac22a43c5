namespace ClusterMesh.Datapath.Control.Messages;

/// <summary>
/// One event of a watch. Key is absent for synced and ended, <paramref name="Object"/> is there for added and changed,
/// <paramref name="Message"/> for ended.
/// </summary>
public sealed record WatchEvent<TRow>(
    long Subscription, string Kind, WatchEventType Type, string? Key = null, TRow? Object = null, string? Message = null)
    where TRow : class;
