using System.Globalization;
using ClusterMesh.Datapath.Pipeline;
using ClusterMesh.Datapath.State.Desired;
using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.Trace;

/// <summary>Why a packet was dropped, in one sentence, and what to do about it.</summary>
internal sealed class DropWords(MeshNames names, Snapshot s, FlowStateCopy state)
{
    public (string Cause, string Advice) Of(StageFacts? facts, in PacketContext p)
    {
        if (facts is null)
        {
            return (DropReasons.TextOf(p.Reason), "");
        }

        return facts.Stage switch
        {
            PipelineStage.Parse => Parse(p),
            _ when p.Reason == DropReason.SourceLimit => OverLimit(p),
            _ when p.Reason == DropReason.NewFlowGivenUp => ("more frames come by its port than the worker can take, so that new flows are given up", "See who begins so many (cmesh ct list, cmesh top), or limit sources in the node file (flows)."),
            PipelineStage.Service when p.Reason != DropReason.ChecksumNotCorrectable => p.Reason == DropReason.ConntrackFull ? Full() : ServiceWords.Refused(names, facts, p),
            PipelineStage.Conntrack => ($"conntrack knows TCP, UDP, SCTP and ICMP, and this is protocol {(byte)p.Key.Protocol}", "Carry it in one of those."),
            PipelineStage.Policy when p.Reason == DropReason.PolicyDeny => PolicyWords.Forbidden(p),
            PipelineStage.Policy => (
                $"no policy lets {names.IdentityOf(p.SourceIdentity)} ({p.FlowKey.Source}) reach {names.IdentityOf(p.DestinationIdentity)} at {FlowKey.Endpoint(p.FlowKey.Destination, p.FlowKey.DestinationPort)}/{FlowKey.ProtocolName(p.FlowKey.Protocol)}",
                "Allow it in a network policy that selects the destination (and one that selects the source, if that has egress rules)."),
            PipelineStage.Route => RouteWords.Missing(names, facts.Key.Destination, p.Reason),
            PipelineStage.Snat when p.Reason == DropReason.NoSnatMapping => new SnatWords(names, s).Exhausted(facts, state.Snat),
            PipelineStage.Snat when p.Reason == DropReason.UnsupportedForSnat => (
                "the packet must be masqueraded and has neither ports nor an echo id", "Exempt its destination from masquerading (nonMasqueradeCIDRs), or use TCP, UDP or ping."),
            PipelineStage.Confirm => Full(),
            PipelineStage.Encap when p.Reason == DropReason.NoTunnelEndpoint => ($"no route leads to the tunnel's far end {p.Route.NextHop}", "Give the uplink a gateway, or a route to that node (cmesh route list)."),
            PipelineStage.Encap or PipelineStage.Transmit => Transmit(facts, p),
            _ when p.Reason == DropReason.ChecksumNotCorrectable => (
                "a port of SCTP would have to be translated, and its checksum covers every byte", "Give the backend the frontend's port, or exempt the flow from masquerading."),
            _ => (DropReasons.TextOf(p.Reason), "See docs/drop-reasons.md."),
        };
    }

    private static (string Cause, string Advice) OverLimit(in PacketContext p)
    {
        bool isPod = p.IngressKind == PortKind.Endpoint;
        string option = (isPod, p.ReasonDetail == SourceLimitDetail.Flows) switch
        {
            (true, true) => "maxFlowsPerPod",
            (true, false) => "maxNewFlowsPerPod",
            (false, true) => "maxFlowsPerSource",
            (false, false) => "maxNewFlowsPerSource",
        };
        return (
            $"{p.ReceivedKey.Source} {(p.ReasonDetail == SourceLimitDetail.Flows ? "has as many flows as each source may have" : "has begun as many flows in the last second as each source may")}",
            $"See what it begins (cmesh ct list), or raise flows.{option} in the node file.");
    }

    private (string Cause, string Advice) Full() => (
        string.Create(CultureInfo.InvariantCulture, $"the conntrack table is full ({state.Conntrack.Count} of {state.Conntrack.Capacity} entries), so that no new flow can be recorded"),
        "Raise tables.conntrackEntries in the node file, or see who has so many flows (cmesh ct list).");

    private (string Cause, string Advice) Parse(in PacketContext p)
    {
        Port port = s.Ports[p.IngressPort];
        string own = string.Join(", ", port.Addresses);
        IpAddress source = p.Key.Source;
        return p.Reason switch
        {
            DropReason.InvalidSource when port.Kind == PortKind.Endpoint => (
                $"{source} is not an address of pod {port.Name}, which has {own}", "A pod sends under its own addresses only: mend its interface, or give the endpoint that address."),
            DropReason.InvalidSource => ($"{source} comes from the node network, but is this node's own address or names no host", "See who sends under it (tcpdump on the uplink)."),
            DropReason.OtherStation => (
                $"the frame's destination MAC address is {EthernetHeader.Of(p.Frame).Destination}, and this port answers to {port.RouterMac}", "The sender's ARP entry is stale or its route wrong: see its neighbour table."),
            DropReason.UnknownTarget => ($"{p.Key.Destination} names no host that can be routed to (multicast, broadcast, loopback or unspecified)", "Ask for another address."),
            DropReason.InvalidPacket => ("lengths, versions or a checksum of the packet do not fit each other", "Compare the frame with one that passes (-o json has its bytes)."),
            DropReason.FirstFragmentMissing => ("a later fragment whose first was not seen, so that its ports are not known", "Set flows.fragments: hold if fragments overtake each other, or lower the sender's packet size."),
            DropReason.FragmentsNotSupported => ("the node is told not to follow fragments", "Set flows.fragments: follow or hold."),
            DropReason.Vlan => ("the frame has a VLAN tag", "Send it untagged."),
            _ => (DropReasons.TextOf(p.Reason), "See docs/drop-reasons.md."),
        };
    }

    private (string Cause, string Advice) Transmit(StageFacts facts, in PacketContext p)
    {
        Port port = s.Ports[p.EgressPort];
        IpAddress nextHop = p.Route.NextHop == default ? p.Key.Destination : p.Route.NextHop;
        return p.Reason switch
        {
            DropReason.HopLimitExceeded => (
                string.Create(CultureInfo.InvariantCulture, $"the packet came with {facts.HopLimit} hop left, and this node is one more"), "Send it with a greater TTL; if it came with a great one, it goes round: follow it (--node)."),
            DropReason.FragmentationNeeded => (
                string.Create(CultureInfo.InvariantCulture, $"{facts.DatagramLength} bytes do not fit {port.Name}'s MTU of {port.Mtu}, and the packet may not be cut{(facts.IsDontFragment && p.IsIpv4 ? " (DF)" : "")}"),
                string.Create(CultureInfo.InvariantCulture, $"Lower the sender's MTU to {port.Mtu} (its path MTU discovery needs ICMP), or raise node.mtu on all nodes.")),
            DropReason.NoRoute => Unresolved(nextHop),
            _ => (DropReasons.TextOf(p.Reason), "See docs/drop-reasons.md."),
        };
    }

    private (string Cause, string Advice) Unresolved(IpAddress nextHop)
    {
        NodeSpec? node = names.NodeAt(nextHop);
        return ($"nobody on the node network answers for the MAC address of {names.With(nextHop)}",
            node is null ? "See that the next hop is up and on this network, and that its address is right (cmesh route list)." : $"Start the forwarder of {MeshNames.KeyOf(node)}, or mend its address (cmesh node list).");
    }
}
