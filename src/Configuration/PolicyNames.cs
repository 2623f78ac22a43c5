using ClusterMesh.Datapath.Pipeline.Events;
using ClusterMesh.Datapath.State;
using ClusterMesh.Datapath.State.Desired;
using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.Configuration;

/// <summary>What Cilium calls what policies decide, for lists and sentences.</summary>
public static class PolicyNames
{
    /// <summary>As in policy-verdict:L3-L4.</summary>
    public static string Of(PolicyMatch match) => match switch
    {
        PolicyMatch.L3Only => "L3-Only",
        PolicyMatch.L3L4 => "L3-L4",
        PolicyMatch.L4Only => "L4-Only",
        PolicyMatch.All => "all",
        PolicyMatch.L3Proto => "L3-Proto",
        PolicyMatch.ProtoOnly => "Proto-Only",
        _ => "none",
    };

    public static string PeersOf(PolicyRuleSpec rule) => rule.Peers is null ? "everybody" : rule.Peers.Count == 0 ? "nobody" : string.Join(" or ", rule.Peers.Select(p => p.Text));

    public static string PortsOf(PolicyRuleSpec rule) => rule.Ports is null ? "all ports" : string.Join(", ", rule.Ports.Select(p => p.ToString()));

    /// <summary>80/TCP, 8/ICMP; the protocol is TCP when it is left out.</summary>
    public static bool TryParsePort(string text, out ushort port, out IpProtocol protocol)
    {
        string[] parts = text.Split('/');
        string name = parts.Length == 2 ? parts[1].ToUpperInvariant() : "TCP";
        protocol = name switch
        {
            "TCP" => IpProtocol.Tcp,
            "UDP" => IpProtocol.Udp,
            "SCTP" => IpProtocol.Sctp,
            "ICMP" => IpProtocol.Icmp,
            "ICMPV6" => IpProtocol.Icmpv6,
            _ => ServiceAny,
        };
        port = 0;
        return parts.Length <= 2 && protocol != ServiceAny && ushort.TryParse(parts[0], out port);
    }

    private const IpProtocol ServiceAny = Pipeline.ServiceTable.AnyProtocol;

    /// <summary>80/TCP.</summary>
    public static string Port(ushort port, IpProtocol protocol) => $"{port}/{ServiceNames.Of(protocol)}";
}
