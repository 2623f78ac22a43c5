using System.Globalization;

namespace ClusterMesh.Datapath.Mesh.Schema;

/// <summary>
/// The security identities that a cluster gives to its pods. They carry the cluster's id in front: 16 bits are the cluster's own in a
/// mesh of 255, 15 in one of 511 (Cilium's pkg/identity/numericidentity.go). Bounds are inclusive.
/// </summary>
public readonly record struct IdentityRange(uint First, uint Last)
{
    /// <summary>Below are the reserved identities, the same everywhere.</summary>
    public const uint FirstAllocated = 256;

    /// <param name="maxConnected">255 or 511.</param>
    public static IdentityRange Of(int clusterId, int maxConnected)
    {
        int shift = maxConnected == ClusterRules.LargeMaxConnected ? 15 : 16;
        uint first = (uint)clusterId << shift;
        return new IdentityRange(Math.Max(first, FirstAllocated), first | ((1u << shift) - 1));
    }

    public bool Contains(uint identity) => identity >= First && identity <= Last;

    public override string ToString() => string.Create(CultureInfo.InvariantCulture, $"{First} to {Last}");
}
