using ClusterMesh.Datapath.Pipeline;
using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.State.Desired;

/// <summary>A range of ports of a protocol, or of ICMP types.</summary>
/// <param name="Protocol"><see cref="ServiceTable.AnyProtocol"/> for TCP, UDP and SCTP.</param>
/// <param name="First">With <paramref name="Last"/>; null for all ports of the protocol.</param>
public readonly record struct PolicyPortSpec(IpProtocol Protocol, ushort? First, ushort Last)
{
    public bool Covers(IpProtocol protocol, ushort port) =>
        (Protocol == protocol || (Protocol == ServiceTable.AnyProtocol && protocol is IpProtocol.Tcp or IpProtocol.Udp or IpProtocol.Sctp))
        && (First is not ushort first || (port >= first && port <= Last));

    public override string ToString() =>
        $"{(First is ushort first ? first == Last ? $"{first}" : $"{first}-{Last}" : "*")}/{ServiceNames.Of(Protocol)}";
}
