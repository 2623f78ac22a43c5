using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.Pipeline;

/// <summary>What the stages know of a port. Immutable.</summary>
/// <param name="Id">Index in <see cref="Snapshot.Ports"/>, stable while the port lives.</param>
/// <param name="RouterMac">The datapath's own address on this link: answers ARP, is the source of what leaves.</param>
/// <param name="StationMac">The address of the one station behind an endpoint or host port; zero for the uplink.</param>
/// <param name="Addresses">Of the pod, or of the node for host and uplink.</param>
/// <param name="Mtu">Longest IP datagram.</param>
public sealed record Port(int Id, string Name, PortKind Kind, MacAddress RouterMac, MacAddress StationMac, IpAddress[] Addresses, int Mtu)
{
    /// <summary>Of the uplink: who asks there for the IPv6 address of a pod of this node is told the node's MAC address.</summary>
    public bool ProxiesNeighbors { get; init; }

    /// <summary>Ports a forwarder can have; ids are below.</summary>
    public const int MaxCount = 4096;

    public bool HasAddress(IpAddress address)
    {
        foreach (IpAddress own in Addresses)
        {
            if (own == address)
            {
                return true;
            }
        }

        return false;
    }
}
