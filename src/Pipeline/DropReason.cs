using System.ComponentModel;

namespace ClusterMesh.Datapath.Pipeline;

/// <summary>
/// Why a packet was dropped. Numbers and words are Cilium's (monitor/api/drop.go), so that its tools print ours; those from 250 on
/// are this project's own. A number never changes its meaning. The description has the words that the CLI prints, the summary says when it
/// happens; docs/drop-reasons.md is made of both.
/// </summary>
public enum DropReason : byte
{
    None = 0,

    /// <summary>A pod sends under an address that is not its own, the node network under the node's, anyone under one that names no host, or another node, through its tunnel, under one that is not its own.</summary>
    [Description("Invalid source ip")]
    InvalidSource = 132,

    /// <summary>The sender's or the receiver's policy is closed to what no rule allows, and none allows this.</summary>
    [Description("Policy denied")]
    PolicyDenied = 133,

    /// <summary>Lengths, versions or a checksum do not fit each other, a tunnelled packet met congestion of which its transport would not learn, a fragment cannot be part of any datagram or is one of ICMP, or an ICMP error quotes a packet that its receiver never sent.</summary>
    [Description("Invalid packet")]
    InvalidPacket = 134,

    /// <summary>The IPv4 header has no room left for the option of direct server return.</summary>
    [Description("CT: Truncated or invalid header")]
    TruncatedHeader = 135,

    /// <summary>The packet, or a segment of a super-packet, is longer than the MTU of the port it leaves by and may not be fragmented; its sender is told the MTU.</summary>
    [Description("Fragmentation needed")]
    FragmentationNeeded = 136,

    /// <summary>The protocol has no flows that conntrack knows: neither TCP, UDP, SCTP nor the ICMP of its family.</summary>
    [Description("CT: Unknown L4 protocol")]
    UnknownTransport = 137,

    /// <summary>The frame carries neither IPv4, IPv6 nor ARP.</summary>
    [Description("Unsupported L3 protocol")]
    UnsupportedNetworkProtocol = 139,

    /// <summary>An ICMPv4 error of a masqueraded flow has a code that is not assigned: destination unreachable above 15, time exceeded above 1.</summary>
    [Description("Unknown ICMPv4 code")]
    UnknownIcmpCode = 143,

    /// <summary>An ICMPv6 error of a masqueraded flow has a code that is not assigned: destination unreachable above 6, time exceeded above 1.</summary>
    [Description("Unknown ICMPv6 code")]
    UnknownIcmpv6Code = 145,

    /// <summary>What came to the tunnel's port is no VXLAN: cut off, its lengths or its checksum do not fit, or it says that it has no VNI.</summary>
    [Description("Error retrieving tunnel key")]
    TunnelHeader = 147,

    /// <summary>The destination names no host that can be routed to: multicast, broadcast, loopback, IPv6 link-local or unspecified.</summary>
    [Description("Unknown L3 target address")]
    UnknownTarget = 150,

    /// <summary>The destination is in the node's pod CIDRs, but no pod has it.</summary>
    [Description("Stale or unroutable IP")]
    Unroutable = 151,

    /// <summary>The packet's ports must be translated and its checksum cannot be repaired: that of SCTP covers every byte.</summary>
    [Description("Error while correcting L4 checksum")]
    ChecksumNotCorrectable = 154,

    /// <summary>The flow is new and the conntrack table has no entry left.</summary>
    [Description("CT: Map insertion failed")]
    ConntrackFull = 155,

    /// <summary>An IPv6 extension header is cut off, there are more than eight, hop-by-hop options are not the first, a source route of type 0 is not at its end, or nothing follows them (59).</summary>
    [Description("Invalid IPv6 extension header")]
    InvalidExtensionHeader = 156,

    /// <summary>The packet is a fragment, and the node is told not to follow them (flows.fragments: drop), or it is part of a tunnelled one.</summary>
    [Description("IP fragmentation not supported")]
    FragmentsNotSupported = 157,

    /// <summary>The destination is a frontend whose service has no backend that takes new flows, of which by option (flows.serviceNoBackendResponse) its sender is told; or nobody is at this port of an address of services.</summary>
    [Description("Service backend not found")]
    NoBackend = 158,

    /// <summary>The packet must go through a tunnel, and no route leads to the tunnel's far end.</summary>
    [Description("No tunnel/encapsulation endpoint (datapath BUG!)")]
    NoTunnelEndpoint = 160,

    /// <summary>The frame is not Ethernet II: a length stands where the type should.</summary>
    [Description("Unsupported L2 protocol")]
    UnsupportedLinkProtocol = 166,

    /// <summary>The flow must be masqueraded and no port of the node is free for it, or an ICMP error belongs to no masqueraded flow.</summary>
    [Description("No mapping for NAT masquerade")]
    NoSnatMapping = 167,

    /// <summary>The flow must be masqueraded and has neither ports nor an echo id.</summary>
    [Description("Unsupported protocol for NAT masquerade")]
    UnsupportedForSnat = 168,

    /// <summary>No prefix contains the destination, or the next hop does not answer for its MAC address.</summary>
    [Description("FIB lookup failed")]
    NoRoute = 169,

    /// <summary>A pod sends to the port of the tunnels, which is the nodes' own.</summary>
    [Description("Encapsulation traffic is prohibited")]
    EncapsulationProhibited = 170,

    /// <summary>The VNI of a packet that came through a tunnel is no identity that its sender can mean: unknown, the host's own, or another cluster's.</summary>
    [Description("Invalid identity")]
    InvalidIdentity = 171,

    /// <summary>A tunnelled packet comes from an address that no known node has.</summary>
    [Description("Unknown sender")]
    UnknownSender = 172,

    /// <summary>A packet from the node network asks for a ClusterIP, which only pods and the node itself can reach.</summary>
    [Description("Is a ClusterIP")]
    ClusterIp = 174,

    /// <summary>A later fragment came, and the first, which has the ports, was not seen or is too long ago, or did not come while the later one waited.</summary>
    [Description("First logical datagram fragment not found")]
    FirstFragmentMissing = 175,

    /// <summary>A router advertisement or redirect, or any neighbour discovery in a tunnel: the datapath is the pods' router and takes advice from nobody.</summary>
    [Description("Forbidden ICMPv6 message")]
    ForbiddenIcmpv6 = 176,

    /// <summary>The client is not among those that the frontend's source ranges admit, or is among those that they deny.</summary>
    [Description("Denied by LB src range check")]
    SourceRange = 177,

    /// <summary>A deny rule of the sender's or the receiver's policy matches.</summary>
    [Description("Policy denied by denylist")]
    PolicyDeny = 181,

    /// <summary>The frame has a VLAN tag.</summary>
    [Description("VLAN traffic disallowed by VLAN filter")]
    Vlan = 182,

    /// <summary>The packet has made its last hop before it got here; its sender is told.</summary>
    [Description("TTL exceeded")]
    HopLimitExceeded = 196,

    /// <summary>The worker that owns the packet's flow has as many frames of another worker in hand as it may.</summary>
    [Description("Worker is busy")]
    WorkerBusy = 250,

    /// <summary>The pod, or the prefix on the node network, that would begin a flow has begun as many in the last second as it may (1), or has as many as it may (2); by default there are no such limits.</summary>
    [Description("Source has too many flows")]
    SourceLimit = 251,

    /// <summary>The packet came through a tunnel and is for another node's pods: it would go round.</summary>
    [Description("Packet would leave by a tunnel again")]
    TunnelLoop = 252,

    /// <summary>The device it should leave by is gone or does not take the frame.</summary>
    [Description("Egress port does not take the frame")]
    EgressRefused = 253,

    /// <summary>The frame's MAC address is another station's, or an IP packet for one host was sent to everyone.</summary>
    [Description("Frame is for another station")]
    OtherStation = 254,

    /// <summary>The packet would begin a flow, and its port has more frames than the worker can take: those of established flows go before (flows.newFlowsUnderLoad).</summary>
    [Description("New flow given up under load")]
    NewFlowGivenUp = 255,
}
