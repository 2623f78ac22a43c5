using ClusterMesh.Datapath.Control.Messages;
using ClusterMesh.Datapath.Pipeline;
using ClusterMesh.Datapath.State.Desired;
using ClusterMesh.Datapath.Testing;
using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.Trace.Tests;

/// <summary>The prepared misconfigurations that show on the node itself. Those of the control plane are in Agent.Tests.</summary>
internal static class Misconfigurations
{
    private static readonly Mesh s_mesh = new(Family.Ipv4);

    public static IReadOnlyList<Misconfiguration> All { get; } =
    [
        .. Routes(), .. Masquerade(), .. Services(), .. GlobalServices(), .. Tables(), .. Packets(), .. Policies(),
    ];

    private static TracePacket From(string from, string to) => new() { From = from, To = to };

    private static ServiceSpec Webpod(params Func<Mesh, IpAddress>[] backends) => TestNode.Balanced(backends);

    private static BackendSpec East(IpAddress address) => new(address, 80, "east", "east-worker");

    private static void Services(TestNode node, params ServiceSpec[] services) => node.Apply(new DesiredChange { Services = services });

    private static IEnumerable<Misconfiguration> Policies() =>
    [
        new("policy: a rule denies what the sender says", node => node.Apply(new DesiredChange { Policies = [Closed(isIngress: false, new PolicyRuleSpec(false, true, null, null, "test"))] }),
            From(TestNode.Curl, "10.0.1.14:80"), "drop",
            "Dropped (Policy denied by denylist): a deny rule of the sender's policies forbids identity 5 to speak to identity 5 at 80/TCP.",
            "Ask which: cmesh policy explain --from 10.0.1.105 --to 10.0.1.14 --port 80/TCP."),
        new("policy: the receiver is closed, and no rule lets the sender in", node => node.Apply(new DesiredChange { Policies = [Closed(isIngress: true)] }),
            From(TestNode.Curl, "10.0.1.14:80"), "drop",
            "Dropped (Policy denied): no policy lets reserved:init (10.0.1.105) reach reserved:init at 10.0.1.14:80/TCP.",
            "Allow it in a network policy that selects the destination (and one that selects the source, if that has egress rules)."),
    ];

    private static PolicySpec Closed(bool isIngress, params PolicyRuleSpec[] rules) =>
        new("default/closed", "", LabelSelector.Everything, false, isIngress, !isIngress, rules, "test");

    private static IEnumerable<Misconfiguration> Routes() =>
    [
        new("missing route: the other cluster's node is not known", node => node.Apply(new DesiredChange { Replace = true, Nodes = [] }),
            From(TestNode.Curl, "10.1.1.2:80"), "transmit",
            "no route to 10.1.1.2 but the default one, though it is an address of the mesh's pods: no node with a pod CIDR around it is known here, so the gateway gets the packet.",
            "Add its node (cmesh apply, nodes[].podCIDRs), or connect the cluster (cmesh clustermesh status)."),
        new("missing route: no gateway", _ => { }, From(TestNode.Curl, "203.0.113.9:80"), "drop",
            "Dropped (FIB lookup failed): no route contains 203.0.113.9, and the node has no default gateway for IPv4.", "Add a route (cmesh apply, routes) or uplink.gateways in the node file.")
        {
            Local = spec => spec with { Uplink = spec.Uplink! with { Gateways = [] } },
        },
        new("wrong CIDR: the pod's address lies in this node's own range", _ => { }, From(TestNode.Curl, "10.0.1.77:80"), "drop",
            "Dropped (Stale or unroutable IP): 10.0.1.77 lies in this node's pod CIDR 10.0.1.0/24, but no pod here has that address.",
            "The pod is gone or was never added (cmesh endpoint list); if it is one of another cluster, the two clusters' pod CIDRs overlap and one must change."),
        new("remote node unreachable: nobody answers for its MAC address", node =>
            {
                node.Apply(new DesiredChange { Nodes = [new NodeSpec("east-silent", "east", [IpAddress.Parse("172.18.0.99")], [IpPrefix.Parse("10.1.2.0/24")], "test")] });
                for (int i = 0; i < 6; i++)
                {
                    node.Send(TestNode.Curl, TestPacket.Tcp(s_mesh.CurlPod, 40000 + i, IpAddress.Parse("10.1.2.3"), 80, TcpFlags.Syn));
                    node.Tick();
                    node.Wait(1.1);
                }
            },
            From(TestNode.Curl, "10.1.2.3:80"), "held",
            "Waits for the MAC address of node east/east-silent (172.18.0.99), who does not answer: it will be dropped (FIB lookup failed).",
            "Start the forwarder of east/east-silent, or mend its address (cmesh node list)."),
    ];

    private static IEnumerable<Misconfiguration> Masquerade() =>
    [
        new("exemption missing: the other cluster's pod CIDR is not in nonMasqueradeCIDRs", node => node.Apply(new DesiredChange { Masquerade = TestNode.MasqueradeOf("169.254.0.0/16") }),
            From(TestNode.Curl, "10.1.1.2:80"), "transmit",
            "10.1.1.2 is a pod of node east/east-worker, but no masquerade exemption contains it: it will see this node 172.18.0.5 instead of the pod 10.0.1.105.",
            "Add 10.1.1.0/24 or its cluster's pod CIDR to masquerade.nonMasqueradeCIDRs."),
        new("masquerading is off", node => node.Apply(new DesiredChange { Masquerade = new MasqueradeSpec(false, []) }), From(TestNode.Curl, "203.0.113.9:80"), "transmit",
            "masquerading is off, so 203.0.113.9 sees the pod's own address 10.0.1.105 and can answer only if its network routes that here.",
            "Set masquerade.enabled: true unless it does."),
    ];

    private static IEnumerable<Misconfiguration> Services() =>
    [
        new("no backend at all", node => Services(node, Webpod()), From(TestNode.Curl, "default/webpod"), "drop",
            "Dropped (Service backend not found): default/webpod has no backend that takes new flows (it has none at all); it is not global here, so backends of other clusters do not count.",
            "Start pods that the service selects, and see that its selector and target port fit them."),
        new("no backend that is active", node =>
            {
                ServiceSpec webpod = Webpod(m => m.Webpod1);
                Services(node, webpod with { Backends = [.. webpod.Backends.Select(b => b with { State = BackendState.Maintenance })] });
            },
            From(TestNode.Curl, "default/webpod"), "drop",
            "Dropped (Service backend not found): default/webpod has no backend that takes new flows (2 maintenance).",
            "Start pods that are ready, or take backends out of maintenance or quarantine (cmesh service list)."),
        new("unknown port of a service's address, from outside", _ => { }, From("203.0.113.9", "10.2.164.148:8080"), "drop",
            "Dropped (Service backend not found): 10.2.164.148 is an address of services, and none of them has port 10.2.164.148:8080/TCP.",
            "Ask for one that is there: 10.2.164.148:80/TCP of default/webpod."),
        new("unknown port of a service's address, from a pod", _ => { }, From(TestNode.Curl, "10.2.164.148:8080"), "transmit",
            "10.2.164.148 is an address of services, but nothing is at 8080/TCP: it is routed as any address.", "There is 10.2.164.148:80/TCP of default/webpod."),
        new("a ClusterIP from outside", _ => { }, From("203.0.113.9", "10.2.164.148:80"), "drop",
            "Dropped (Is a ClusterIP): 10.2.164.148:80/TCP is a ClusterIP of default/webpod, which only pods and the node itself reach.",
            "Ask for its NodePort or LoadBalancer address, or set loadBalancer.externalClusterIP: true."),
        new("source ranges refuse the client", node => Services(node, Webpod(m => m.Webpod1) with { SourceRanges = [IpPrefix.Parse("192.0.2.0/24")] }),
            From("203.0.113.9", "192.0.2.10:80"), "drop",
            "Dropped (Denied by LB src range check): 203.0.113.9 is not in the loadBalancerSourceRanges of default/webpod (192.0.2.0/24).",
            "Add 203.0.113.9 to spec.loadBalancerSourceRanges, or ask from an admitted client."),
        new("external traffic policy local, and no backend on this node", node =>
            {
                ServiceSpec webpod = Webpod(m => m.WestPod);
                Services(node, webpod with { IsExternalLocal = true, Backends = [.. webpod.Backends.Select(b => b with { Node = "west-control-plane" })] });
            },
            From("203.0.113.9", "172.18.0.5:30080"), "drop",
            "Dropped (Service backend not found): the traffic policy of default/webpod is Local, and no backend of it runs on west-worker (there are some on west/west-control-plane).",
            "Send to a node that has one, start one here, or set externalTrafficPolicy: Cluster."),
    ];

    private static IEnumerable<Misconfiguration> GlobalServices() =>
    [
        new("one-sided global service: global here, not there (or shared=false there)", node => Services(node, Webpod(m => m.Webpod1) with { IsGlobal = true }),
            From(TestNode.Curl, "default/webpod"), "transmit",
            "default/webpod is global, but no other cluster has given it a backend: there the service is missing (another name or namespace than default/webpod), is not annotated service.cilium.io/global: \"true\", ",
            "has service.cilium.io/shared: \"false\", or has no ready pod"),
        new("one-sided global service: global there, not here", node => Services(node, Webpod(m => m.Webpod1)), From(TestNode.Curl, "default/webpod"), "transmit",
            "default/webpod is not global here, so only backends of west are used.", "Annotate it service.cilium.io/global: \"true\" in each cluster to share it."),
        new("shared=false in the only cluster that has pods", node => Services(node, Webpod() with { IsGlobal = true }), From(TestNode.Curl, "default/webpod"), "drop",
            "Dropped (Service backend not found): default/webpod has no backend that takes new flows (it has none at all); there the service is missing (another name or namespace than default/webpod), "
            + "is not annotated service.cilium.io/global: \"true\", has service.cilium.io/shared: \"false\", or has no ready pod.",
            "Start pods that the service selects, or share the service in another cluster (service.cilium.io/global and shared)."),
        new("affinity local, and no local backend", node => Services(node, Webpod() with { IsGlobal = true, Affinity = ClusterAffinity.Local, Backends = [East(s_mesh.EastPod)] }),
            From(TestNode.Curl, "default/webpod"), "transmit", "default/webpod prefers backends of west (affinity local), but none of them is active, so all others are used.", ""),
        new("affinity remote, and no remote backend", node => Services(node, Webpod(m => m.Webpod1) with { IsGlobal = true, Affinity = ClusterAffinity.Remote }),
            From(TestNode.Curl, "default/webpod"), "transmit", "default/webpod prefers backends of other clusters (affinity remote), but none of them is active, so all others are used.", ""),
    ];

    private static IEnumerable<Misconfiguration> Tables() =>
    [
        new("SNAT ports exhausted", node =>
            {
                for (int i = 0; i < 4; i++)
                {
                    node.Send(TestNode.Curl, TestPacket.Tcp(s_mesh.CurlPod, 41000 + i, s_mesh.Outside, 80, TcpFlags.Syn));
                }
            },
            From(TestNode.Curl, "203.0.113.9:80"), "drop",
            "Dropped (No mapping for NAT masquerade): no port of 172.18.0.5 is free towards 203.0.113.9:80: as many flows go there as it has ports (4).",
            "Exempt the destination from masquerading if it can route pods (nonMasqueradeCIDRs), lower nodePortRange, or wait until flows end (cmesh nat list).")
        {
            NodePortLast = 65531,
        },
        new("SNAT table full", node =>
            {
                for (int i = 0; i < 8; i++)
                {
                    node.Send(TestNode.Curl, TestPacket.Tcp(s_mesh.CurlPod, 41000 + i, s_mesh.Outside, 80, TcpFlags.Syn));
                }
            },
            From(TestNode.Curl, "203.0.113.9:80"), "drop", "Dropped (No mapping for NAT masquerade): the SNAT table is full: all 8 mappings are in use.",
            "Raise tables.snatEntries in the node file, or wait until flows end.")
        {
            SnatCapacity = 8,
        },
        new("conntrack full", node =>
            {
                for (int port = 41000; port < 41016; port++)
                {
                    // Established: a flow that has only begun would give way.
                    node.Send(TestNode.Curl, TestPacket.Tcp(s_mesh.CurlPod, port, s_mesh.Webpod1, 80, TcpFlags.Syn));
                    node.Send(TestNode.Web1, TestPacket.Tcp(s_mesh.Webpod1, 80, s_mesh.CurlPod, port, TcpFlags.Syn | TcpFlags.Ack));
                    node.Send(TestNode.Curl, TestPacket.Tcp(s_mesh.CurlPod, port, s_mesh.Webpod1, 80, TcpFlags.Ack));
                }
            },
            From(TestNode.Curl, "10.0.1.14:80"), "drop", "Dropped (CT: Map insertion failed): the conntrack table is full (16 of 16 entries), so that no new flow can be recorded.",
            "Raise tables.conntrackEntries in the node file, or see who has so many flows (cmesh ct list).")
        {
            ConntrackCapacity = 16,
        },
    ];

    private static IEnumerable<Misconfiguration> Packets() =>
    [
        new("MTU: a packet that may not be cut", _ => { }, From(TestNode.Curl, "10.1.1.2:80") with { Length = 1600 }, "drop",
            "Dropped (Fragmentation needed): 1600 bytes do not fit uplink's MTU of 1500, and the packet may not be cut (DF).",
            "Lower the sender's MTU to 1500 (its path MTU discovery needs ICMP), or raise node.mtu on all nodes."),
        new("TTL expired", _ => { }, From(TestNode.Curl, "10.1.1.2:80") with { HopLimit = 1 }, "drop",
            "Dropped (TTL exceeded): the packet came with 1 hop left, and this node is one more.", "Send it with a greater TTL; if it came with a great one, it goes round: follow it (--node)."),
        new("a pod under an address that is not its own", _ => { }, From("10.0.1.14", "10.1.1.2:80") with { In = TestNode.Curl }, "drop",
            "Dropped (Invalid source ip): 10.0.1.14 is not an address of pod default/curl-pod, which has 10.0.1.105, fd00:10:0:1::105.",
            "A pod sends under its own addresses only: mend its interface, or give the endpoint that address."),
        new("hairpin to a backend port that another protocol's checksum forbids", node => Services(node, TestNode.Service("default/sctp", IpProtocol.Sctp, 80, 30081, 8080, m => m.Webpod1)),
            From(TestNode.Curl, "default/sctp"), "drop",
            "Dropped (Error while correcting L4 checksum): a port of SCTP would have to be translated, and its checksum covers every byte.",
            "Give the backend the frontend's port, or exempt the flow from masquerading."),
    ];
}
