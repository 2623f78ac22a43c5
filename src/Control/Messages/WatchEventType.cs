namespace ClusterMesh.Datapath.Control.Messages;

/// <summary>What an event of a watch says.</summary>
public enum WatchEventType
{
    Added,
    Changed,
    Removed,

    /// <summary>The first full set is out.</summary>
    Synced,

    /// <summary>The forwarder gives this watch up and says why; no further event follows.</summary>
    Ended,
}
