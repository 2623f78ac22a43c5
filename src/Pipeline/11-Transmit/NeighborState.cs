namespace ClusterMesh.Datapath.Pipeline;

/// <summary>How far a neighbour's MAC address is known (RFC 4861 section 7.3.2, for ARP too).</summary>
public enum NeighborState : byte
{
    /// <summary>Asked, no answer yet.</summary>
    Incomplete,

    /// <summary>Answered lately.</summary>
    Reachable,

    /// <summary>Known, not confirmed lately, not in use.</summary>
    Stale,

    /// <summary>In use and being asked again.</summary>
    Probe,

    /// <summary>Did not answer.</summary>
    Failed,
}
