using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.Pipeline;

/// <summary>The ports of one datagram's fragments. 48 bytes, no references.</summary>
/// <param name="Key">Of the first fragment, with its ports.</param>
/// <param name="Expires">Second of the monotonic clock.</param>
public readonly record struct FragmentEntry(FlowKey Key, uint Id, uint Expires)
{
    /// <summary>Bytes in memory; asserted by a test.</summary>
    public const int Length = 48;
}
