namespace ClusterMesh.Datapath.Testing;

/// <summary>What a frame's transport checksum is worth.</summary>
public enum ChecksumState
{
    /// <summary>There is none to judge: no IP, a fragment, a transport without one, headers that lie.</summary>
    NotThere,

    /// <summary>UDP's 0: the sender sent none.</summary>
    Omitted,
    Valid,
    Invalid,
}
