using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.Pipeline;

/// <summary>One neighbour on the node network.</summary>
public record struct NeighborEntry
{
    public IpAddress Address;

    public MacAddress Mac;

    /// <summary>When the MAC was last confirmed; when it failed, for a failed one.</summary>
    public MonoTime Changed;

    /// <summary>When the last solicitation went out.</summary>
    public MonoTime Asked;

    public NeighborState State;

    public byte Attempts;

    /// <summary>Frames can be sent to it: its MAC is known and not given up.</summary>
    public readonly bool IsUsable => State is NeighborState.Reachable or NeighborState.Stale or NeighborState.Probe;
}
