namespace ClusterMesh.Datapath.Replay;

/// <summary>What a <see cref="ReplayRecord"/> tells.</summary>
public enum ReplayEvent
{
    /// <summary>A frame of the input entered, and this became of it.</summary>
    Entered,

    /// <summary>A frame that was held for its next hop's MAC address left, or was dropped for want of it.</summary>
    Released,

    /// <summary>The datapath sent a frame of its own: it asks for a neighbour.</summary>
    Emitted,

    /// <summary>The replay answered for a neighbour that the captures cannot make speak.</summary>
    Simulated,
}
