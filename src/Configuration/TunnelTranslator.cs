using ClusterMesh.Datapath.Control.Documents;
using ClusterMesh.Datapath.State.Desired;
using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.Configuration;

/// <summary>What the section routing says of tunnels -> <see cref="TunnelSpec"/>, and back.</summary>
internal static class TunnelTranslator
{
    private const string Native = "native";
    private const string Tunnel = "tunnel";
    private const string Vxlan = "vxlan";
    private const string Ipv4 = "ipv4";
    private const string Ipv6 = "ipv6";

    /// <returns>Null in mode native.</returns>
    public static TunnelSpec? Translate(RoutingSection routing, List<InterfaceAddress> addresses, Place place)
    {
        switch (routing.Mode)
        {
            case Native:
                return null;
            case Tunnel:
                break;
            default:
                throw place.Field("mode").Refuse(routing.Mode == Vxlan
                    ? "'vxlan' is a tunnel protocol; write mode: tunnel and tunnelProtocol: vxlan"
                    : $"{ValueText.Quote(routing.Mode ?? "")} is no routing mode; use native or tunnel");
        }

        if (routing.TunnelProtocol is { } protocol && protocol != Vxlan)
        {
            throw place.Field("tunnelProtocol").Refuse($"{ValueText.Quote(protocol)} is no tunnel protocol that exists here; use vxlan");
        }

        if (addresses.Count == 0)
        {
            throw place.Field("mode").Refuse("tunnels need an address of this node on the node network; add node.addresses such as 172.18.0.5/16");
        }

        bool isIpv4 = routing.UnderlayProtocol switch
        {
            null => addresses[0].Address.IsIpv4,
            Ipv4 => true,
            Ipv6 => false,
            string other => throw place.Field("underlayProtocol").Refuse($"expected ipv4 or ipv6, found {ValueText.Quote(other)}"),
        };
        if (!addresses.Exists(a => a.Address.IsIpv4 == isIpv4))
        {
            throw place.Field("underlayProtocol").Refuse($"the node has no IPv{(isIpv4 ? 4 : 6)} address; add one to node.addresses or use ipv{(isIpv4 ? 6 : 4)}");
        }

        var port = (ushort)ValueParser.InRange(routing.TunnelPort ?? VxlanHeader.DefaultPort, 1, ushort.MaxValue, place.Field("tunnelPort"), "UDP port");
        return new TunnelSpec(port, isIpv4, routing.TunnelChecksum ?? !isIpv4, routing.TunnelInheritDscp ?? false) { HasOffload = routing.TunnelOffload ?? true };
    }

    public static RoutingSection Write(TunnelSpec? tunnel) => tunnel is null
        ? new() { Mode = Native }
        : new()
        {
            Mode = Tunnel,
            TunnelProtocol = Vxlan,
            TunnelPort = tunnel.Port,
            UnderlayProtocol = tunnel.IsIpv4 ? Ipv4 : Ipv6,
            TunnelChecksum = tunnel.HasChecksum,
            TunnelInheritDscp = tunnel.InheritsDscp,
            TunnelOffload = tunnel.HasOffload,
        };
}
