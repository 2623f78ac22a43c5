using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.Pipeline;

/// <summary>What holds for all services of a node. Immutable.</summary>
/// <param name="LoopbackIpv4">What a pod that reaches itself through a service sees as its peer.</param>
/// <param name="HasAnyProtocol">Some frontend takes any protocol, so that a packet without one of its own protocol is looked up once more.</param>
public sealed record ServiceOptions(IpAddress LoopbackIpv4, IpAddress LoopbackIpv6, bool HasAnyProtocol)
{
    /// <summary>Cilium's defaults (defaults.go): 169.254.42.1 and fe80::1.</summary>
    public static ServiceOptions Default { get; } =
        new(IpAddress.FromIpv4(0xA9FE_2A01), new IpAddress(0xFE80_0000_0000_0000, 1), HasAnyProtocol: false);

    /// <summary>Other nodes may send packets of direct server return, as this one does for some frontend.</summary>
    public bool HasDirectReturn { get; init; }

    public IpAddress LoopbackFor(bool isIpv4) => isIpv4 ? LoopbackIpv4 : LoopbackIpv6;
}
