namespace ClusterMesh.Datapath.Io;

/// <summary>What a forwarder tells those it is linked to before it sleeps.</summary>
internal enum PeerSleep : uint
{
    /// <summary>It looks for itself.</summary>
    Awake = 0,

    /// <summary>Wake it for a frame.</summary>
    UntilFrames = 1,

    /// <summary>It has few buffers left: wake it also for those that are given back.</summary>
    UntilBuffers = 2,
}
