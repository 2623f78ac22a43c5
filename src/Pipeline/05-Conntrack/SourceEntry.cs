using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.Pipeline;

/// <summary>What is known of one source of flows. 32 bytes, no references.</summary>
public struct SourceEntry
{
    /// <summary>Bytes in memory; asserted by a test.</summary>
    public const int Length = 32;

    /// <summary>The pod's address, or the first of the prefix; default where the place is free.</summary>
    public IpAddress Source;

    /// <summary>When the bucket of new flows will be full again (the generic cell rate algorithm's theoretical arrival time), in nanoseconds.</summary>
    public long FullAt;

    /// <summary>Flows of the source that conntrack has.</summary>
    public int FlowCount;

    /// <summary>Second in which it last began a flow, or was refused one.</summary>
    public uint LastSeen;
}
