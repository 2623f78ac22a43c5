using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.Pipeline;

/// <summary>
/// The tunnels to all other nodes, for Encap and Decap. Immutable; a snapshot of a node that routes natively has none.
/// </summary>
/// <param name="Own">This node's end: outer source, and outer destination of what comes.</param>
/// <param name="Port">UDP port of both ends.</param>
/// <param name="Mtu">Longest inner datagram: the link's MTU less the outer headers.</param>
/// <param name="Endpoints">By number, from 1; null where a node has gone.</param>
/// <param name="Senders">Addresses of the other nodes, of both families, and their numbers.</param>
public sealed record TunnelTable(IpAddress Own, ushort Port, int Mtu, TunnelEndpoint?[] Endpoints, PrefixMap Senders)
{
    /// <summary>Outer UDP headers have a checksum.</summary>
    public bool HasChecksum { get; init; }

    /// <summary>The outer header repeats the inner DSCP (RFC 2983's uniform model), else it is 0 (the pipe model).</summary>
    public bool InheritsDscp { get; init; }

    /// <summary>Bits of an identity below the cluster's id: 16 for up to 255 clusters, 15 for 511.</summary>
    public int ClusterShift { get; init; } = 16;

    /// <summary>Source of the inner frames.</summary>
    public MacAddress InnerMac { get; init; }

    /// <summary>What routers between the nodes have said.</summary>
    public PathMtuTable PathMtus { get; init; } = s_nothingHeard;

    private static readonly PathMtuTable s_nothingHeard = new PathMtuTable([]);

    /// <summary>The longest inner datagram to a node.</summary>
    public int MtuTo(int tunnel, MonoTime now) => PathMtus.Of(tunnel, Mtu, now);

    public int OuterLength => OuterHeaders.LengthOf(Own.IsIpv4);

    public bool IsIpv4 => Own.IsIpv4;

    /// <summary>
    /// Who sends, as the far end is told: the pod, the host as others know it, the one behind the tunnel that the packet came by, or else the world. Identities
    /// that only this node knows do not leave it.
    /// </summary>
    /// <param name="source">As the packet came.</param>
    public static uint IdentityOf(IpcacheTable ipcache, PortKind ingress, in TunnelNote note, IpAddress source)
    {
        if (note.IsSet)
        {
            return note.Identity;
        }

        uint identity = ipcache.Lookup(source).Identity;
        return ingress == PortKind.Host || identity == NumericIdentity.Host ? NumericIdentity.RemoteNode
            : identity >= NumericIdentity.FirstLocal ? NumericIdentity.World
            : identity;
    }

    /// <summary>Whether a node of that cluster can mean this identity: a reserved one that is not the sender's own host, or one of its cluster's range.</summary>
    /// <param name="clusterId">0 when it is not known.</param>
    public bool IsPossible(uint identity, int clusterId) => identity < NumericIdentity.FirstAllocated
        ? identity is not (NumericIdentity.Unknown or NumericIdentity.Host)
        : clusterId == 0 || identity >> ClusterShift == clusterId;
}
