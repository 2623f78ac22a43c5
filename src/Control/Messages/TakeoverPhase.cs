namespace ClusterMesh.Datapath.Control.Messages;

/// <summary>How far a takeover is.</summary>
public enum TakeoverPhase
{
    /// <summary>The configuration is written and stays as it is; packets go on. Over by itself after half a minute.</summary>
    Prepare,

    /// <summary>The forwarder completes what it has read, stops and ends; the answer comes when it touches nothing any more.</summary>
    Complete,

    /// <summary>The other process gives up: everything is as before.</summary>
    Cancel,
}
