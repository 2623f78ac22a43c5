using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.Mesh.Schema;

/// <summary>One address and port of a service, as frontend or backend.</summary>
/// <param name="Name">The port's name in the service; empty when it has none.</param>
public readonly record struct ServicePort(IpAddress Address, string Name, IpProtocol Protocol, ushort Port)
{
    /// <summary>TCP, UDP or SCTP; null for what no service has.</summary>
    public static string? TextOf(IpProtocol protocol) => protocol switch
    {
        IpProtocol.Tcp => "TCP",
        IpProtocol.Udp => "UDP",
        IpProtocol.Sctp => "SCTP",
        _ => null,
    };

    public static bool TryParseProtocol(string? text, out IpProtocol protocol)
    {
        protocol = text?.ToUpperInvariant() switch
        {
            "TCP" => IpProtocol.Tcp,
            "UDP" => IpProtocol.Udp,
            "SCTP" => IpProtocol.Sctp,
            _ => default,
        };
        return TextOf(protocol) is not null;
    }

    public override string ToString() => $"{(Address.IsIpv4 ? Address.ToString() : $"[{Address}]")}:{Port}/{TextOf(Protocol)}";
}
