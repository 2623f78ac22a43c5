namespace ClusterMesh.Datapath.Pipeline;

/// <summary>What becomes of fragments behind the first, which carry no ports.</summary>
public enum FragmentMode : byte
{
    /// <summary>They follow the first; those that come before it are dropped, as with Cilium's enable-ipv4-fragment-tracking.</summary>
    Follow,

    /// <summary>They follow the first, and wait for it if they come before.</summary>
    Hold,

    /// <summary>All fragments are dropped, as with Cilium's tracking turned off.</summary>
    Drop,
}
