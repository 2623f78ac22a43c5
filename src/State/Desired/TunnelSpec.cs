using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.State.Desired;

/// <summary>How packets for other nodes' pods are wrapped.</summary>
/// <param name="Port">UDP port of both ends.</param>
/// <param name="IsIpv4">The outer family, on which all nodes must agree.</param>
/// <param name="HasChecksum">Outer UDP headers have a checksum.</param>
/// <param name="InheritsDscp">The outer header repeats the inner DSCP.</param>
public sealed record TunnelSpec(ushort Port, bool IsIpv4, bool HasChecksum, bool InheritsDscp)
{
    /// <summary>Super-packets go whole to an uplink whose kernel can cut them behind outer headers, instead of being cut before.</summary>
    public bool HasOffload { get; init; } = true;

    /// <summary>Bytes that the tunnel takes from a link's MTU.</summary>
    public int Overhead => OuterHeaders.LengthOf(IsIpv4);
}
