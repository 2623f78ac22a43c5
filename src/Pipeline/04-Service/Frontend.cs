using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.Pipeline;

/// <summary>Where clients address a service, and what holds for them there. Immutable.</summary>
/// <param name="Id">What conntrack records as rev-NAT index; see <see cref="ServiceTable"/>.</param>
/// <param name="Protocol"><see cref="ServiceTable.AnyProtocol"/> takes what has no frontend of its own.</param>
public sealed record Frontend(uint Id, IpAddress Address, ushort Port, IpProtocol Protocol, ServiceType Type, BackendSet Set)
{
    /// <summary>The same place as the node's own pods and its host see it, when that differs: one of the two traffic policies is Local.</summary>
    public Frontend? Internal { get; init; }

    /// <summary>This is such an inner side (Cilium's scope, written /i).</summary>
    public bool IsInternal { get; init; }

    /// <summary>Whom the node network's packets may come from; null for anybody.</summary>
    public SourceRanges? Sources { get; init; }

    /// <summary>For how many seconds after its last packet a client keeps its backend for new flows; 0 for no session affinity.</summary>
    public uint AffinitySeconds { get; init; }

    /// <summary>The node network may ask for it. Not for a ClusterIP, unless the node opens those.</summary>
    public bool IsRoutable { get; init; } = true;

    /// <summary>Only this node's backends are in the set, by a traffic policy: who finds none is told nothing.</summary>
    public bool IsLocalOnly { get; init; }

    /// <summary>How flows from the node network reach backends on other nodes.</summary>
    public ForwardingMode Forwarding { get; init; }

    /// <summary>In slot order, those in maintenance last.</summary>
    public Backend[] Backends => Set.Backends;

    /// <summary>Backends on other nodes answer the client directly.</summary>
    public bool IsDirectReturn(IpProtocol protocol) => Forwarding == ForwardingMode.Dsr || (Forwarding == ForwardingMode.Hybrid && protocol == IpProtocol.Tcp);
}
