using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.Pipeline;

/// <summary>Under which addresses the datapath answers, and whom it tells of what by option. Immutable.</summary>
/// <param name="RefusesNoBackend">Cilium's service-no-backend-response: reject, else drop.</param>
/// <param name="RouterIpv4">The pods' gateway; unset when the node has none of the family.</param>
/// <param name="NodeIpv4">The node's address on the node network; unset when it has none of the family.</param>
public sealed record IcmpRules(bool RefusesNoBackend, IpAddress RouterIpv4, IpAddress RouterIpv6, IpAddress NodeIpv4, IpAddress NodeIpv6)
{
    /// <summary>Cilium's policy-deny-response: icmp, else none.</summary>
    public bool RefusesDenied { get; init; }

    /// <summary>Answers nothing.</summary>
    public static IcmpRules Silent { get; } = new(false, default, default, default, default);

    /// <summary>The router's address that a station behind such a port sees; unset when there is none.</summary>
    public IpAddress RouterFor(PortKind kind, bool isIpv4)
    {
        IpAddress router = isIpv4 ? RouterIpv4 : RouterIpv6;
        IpAddress node = isIpv4 ? NodeIpv4 : NodeIpv6;
        return kind == PortKind.Endpoint && router != default ? router : node;
    }
}
