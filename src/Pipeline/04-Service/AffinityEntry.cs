using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.Pipeline;

/// <summary>The backend that a client of a frontend with session affinity has. 40 bytes, no references.</summary>
public record struct AffinityEntry
{
    /// <summary>Bytes in memory; asserted by a test.</summary>
    public const int Length = 40;

    public IpAddress Client;

    /// <summary>When a packet of the client last went by.</summary>
    public MonoTime LastUsed;

    /// <summary>Rev-NAT index; 0 in a free place.</summary>
    public uint Frontend;

    public uint BackendId;

    /// <summary>Another for each client that ever lay here, and never 0.</summary>
    public uint Generation;

    /// <summary>Keeps the size a multiple of eight.</summary>
    public uint Reserved;
}
