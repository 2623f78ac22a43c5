using ClusterMesh.Datapath.Io;
using ClusterMesh.Datapath.State.Desired;
using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.Forwarder;

/// <summary>Opens the TAPs of a node, with a queue for each worker: what each looks like from its own namespace.</summary>
internal sealed class NodePorts(LocalNodeSpec local, int queueCount, KeptTaps? kept, PortOpener opener)
{
    /// <summary>Who makes them.</summary>
    public PortOpener Opener { get; } = opener;

    private const TapOffloads AnyTcp = TapOffloads.TcpIpv4 | TapOffloads.TcpIpv6;

    /// <summary>
    /// A TAP drops what finds no room, and TCP does not notice that it fills. The kernel's 1,000 hold 1.5 MB of plain frames, less than one
    /// stream has on its way (4 MB of tcp_wmem), and cost 2,000 to 11,000 retransmits a GB.
    /// </summary>
    private const int PlainQueueLength = 8192;

    /// <summary>Frames that wait while one forwarder takes another's place: 0.8 s of 20,000 a second.</summary>
    private const int KeptQueueLength = 16_384;

    /// <summary>A pod's interface: its addresses alone on their link, everything else by the router.</summary>
    public TapPort[] OpenEndpoint(EndpointSpec endpoint) => TapDevice.CreateQueues(
        new TapSettings(endpoint.Name, endpoint.Namespace, endpoint.Interface, local.PodMtu)
        {
            Mac = endpoint.Mac,
            Offloads = endpoint.Offloads,
            QueueLength = QueueLength(endpoint.Offloads),
            WithLoopback = true,
            Addresses = [.. endpoint.Addresses.Select(TapAddress.Host)],
            Routes = [.. local.RouterAddresses.Where(r => endpoint.Addresses.Any(a => a.IsIpv4 == r.IsIpv4)).SelectMany(TapRoute.ThroughRouter)],
        },
        queueCount,
        kept,
        Opener);

    /// <summary>The node's own stack: the node's addresses, its pods on the link, the world by the gateways.</summary>
    public TapPort[] OpenHost() => TapDevice.CreateQueues(
        new TapSettings("host", local.Host!.Namespace, local.Host.Interface, local.Mtu)
        {
            Mac = local.Host.Mac,
            Offloads = local.Host.Offloads,
            QueueLength = QueueLength(local.Host.Offloads),
            WithLoopback = true,
            Addresses =
            [
                .. local.Addresses.Select(a => new TapAddress(a.Address, a.OnLink.FamilyLength)),
                .. local.RouterAddresses.Select(TapAddress.Host),
            ],
            Routes =
            [
                .. local.PodCidrs.Select(c => new TapRoute(c, Protocol: RouteProtocol.Kernel)),
                .. (local.Uplink?.Gateways ?? []).Select(g => new TapRoute(IpPrefix.Containing(g, 0), g)),
            ],
        },
        queueCount,
        kept,
        Opener);

    /// <summary>The plug in the node network's bridge: no addresses, they are ours.</summary>
    public TapPort[] OpenUplink()
    {
        TapOffloads tunnels = local.Tunnel is { HasOffload: true } && local.Uplink!.Offloads == TapOffloads.All ? TapOffloads.Tunnels : TapOffloads.None;
        TapPort[] queues = TapDevice.CreateQueues(
            new TapSettings("uplink", local.Uplink!.Namespace, local.Uplink.Interface, local.Mtu)
            {
                Bridge = local.Uplink.Bridge,
                Offloads = local.Uplink.Offloads | tunnels,
                // Cut before the uplink, or where an older peer cuts, a stream through a tunnel is plain frames on its way here.
                QueueLength = kept is null && local.Tunnel is not null ? PlainQueueLength : QueueLength(local.Uplink.Offloads),
            },
            queueCount,
            kept,
            Opener);
        if ((tunnels & ~queues[0].Offloads) != 0)
        {
            Log.Write("uplink: this kernel's TUN has no UDP-tunnel GSO (Linux 6.17); super-packets are cut before they leave by a tunnel");
        }

        return queues;
    }

    private int? QueueLength(TapOffloads offloads) =>
        kept is not null ? KeptQueueLength : (offloads & AnyTcp) == 0 ? PlainQueueLength : null;
}
