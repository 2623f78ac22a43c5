namespace ClusterMesh.Datapath.Mesh.Store;

/// <summary>Why a store refuses, as far as callers act on it.</summary>
public enum StoreFault
{
    /// <summary>Nobody answers, or not in time: try again.</summary>
    Unavailable,

    /// <summary>The revision asked for is no longer, or not yet, there: list again.</summary>
    Compacted,

    /// <summary>Another store answers at the same address: all that is known of it may be void.</summary>
    Replaced,

    /// <summary>Certificates do not fit, or the user may not do this.</summary>
    Denied,

    /// <summary>No room is left; nothing was written.</summary>
    Full,

    /// <summary>The request cannot be done, now or later.</summary>
    Refused,
}
