using System.Globalization;
using ClusterMesh.Datapath.Pipeline;
using ClusterMesh.Datapath.State.Desired;
using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.Trace;

/// <summary>What each stage looked for and found, for people: from what the tables knew before it and what the packet is behind it.</summary>
internal sealed class StageWords(MeshNames names, Snapshot s, MonoTime now)
{
    private readonly ServiceWords _services = new(names);
    private readonly RouteWords _routes = new(names);
    private readonly SnatWords _snat = new(names, s);

    /// <summary>What is allowed and seldom meant.</summary>
    public IReadOnlyList<string> Remarks => [.. _services.Remarks, .. _routes.Remarks, .. _snat.Remarks];

    public (string Lookup, string Result) Of(StageFacts facts, in PacketContext p, Verdict v) => facts.Stage switch
    {
        PipelineStage.Parse => Parse(p, v),
        PipelineStage.Decap => ("tunnels", v == Verdict.Drop ? Dropped(p) : p.Tunnel.IsSet ? $"came from {s.Tunnels!.Endpoints[p.Tunnel.Sender]?.Address} with VNI {p.Tunnel.Identity}" : "skipped: came through none"),
        PipelineStage.RevSnat => RevSnat(facts, p),
        PipelineStage.Service => _services.Of(facts, p, v),
        PipelineStage.Conntrack => Conntrack(facts, p, v),
        PipelineStage.RevDnat => RevDnat(facts, p),
        PipelineStage.Policy => Policy(p),
        PipelineStage.Route => _routes.Of(facts, p, v),
        PipelineStage.Snat => _snat.Of(facts, p, v),
        PipelineStage.Confirm => Confirm(p, v),
        PipelineStage.Encap => ("tunnels", v == Verdict.Drop ? Dropped(p) : p.OuterLength > 0 ? $"goes in a tunnel to {p.Route.NextHop}" : "skipped: the route is none"),
        _ => Transmit(facts, p, v),
    };

    /// <summary>The drop in the words of counters and of monitor.</summary>
    public static string Dropped(in PacketContext p) => $"dropped: {DropReasons.TextOf(p.Reason)} ({(byte)p.Reason})";

    private (string Lookup, string Result) Parse(in PacketContext p, Verdict v)
    {
        Port port = s.Ports[p.IngressPort];
        string from = port.Kind switch { PortKind.Endpoint => $"from pod {port.Name}", PortKind.Host => "from the node's own stack", _ => "from the node network" };
        string flags = p.Key.Protocol == IpProtocol.Tcp && p.HasTransport ? $" {FrameWords.Of(p.TcpFlags)}" : "";
        return (from, v switch
        {
            Verdict.Drop => Dropped(p),
            Verdict.Consumed or Verdict.Transmit => "for the datapath itself: ARP or neighbour discovery",
            Verdict.Held => "a fragment before the first of its datagram: waits for it",
            _ => $"{p.Key}{flags}{(p.IsIcmpError ? ", an ICMP error about that flow" : "")}{(p.HasTransport ? "" : ", a later fragment")}",
        });
    }

    private (string Lookup, string Result) RevSnat(StageFacts facts, in PacketContext p)
    {
        MasqueradeRules rules = s.Masquerade;
        if (p.IngressKind != PortKind.Uplink)
        {
            return ("SNAT mappings", "skipped: only what comes from the node network can answer a masqueraded flow");
        }

        if (!rules.IsOwn(facts.Key.Destination))
        {
            return ("SNAT mappings", $"skipped: {facts.Key.Destination} is not the node's address");
        }

        string lookup = string.Create(CultureInfo.InvariantCulture, $"SNAT mapping of {facts.Key.Reversed}");
        return (lookup, p.IsRevSnat ? $"the answer to a masqueraded flow: its destination is {names.With(p.Key.Destination)} again"
            : facts.Mapping is not null && !facts.IsMappingAlive ? "a mapping whose flow is over: for the node itself"
            : "none: for the node itself");
    }

    private (string Lookup, string Result) Conntrack(StageFacts facts, in PacketContext p, Verdict v)
    {
        string lookup = $"flow {facts.Key}";
        if (v == Verdict.Drop)
        {
            return (lookup, Dropped(p));
        }

        if (facts.Flow is not { } flow)
        {
            return (lookup, "New: no such flow is known");
        }

        string expires = string.Create(CultureInfo.InvariantCulture, $"{flow.Packets} packets so far, lives {(long)flow.Expires - now.Seconds} s more");
        return (lookup, p.Status switch
        {
            ConntrackStatus.New => $"New: the flow that was there is closed, or went elsewhere ({expires})",
            ConntrackStatus.Reply => $"Reply: runs from the flow's server to its client ({expires})",
            ConntrackStatus.Related => $"Related: an ICMP error about the flow ({expires})",
            _ => $"Established ({expires})",
        });
    }

    private (string Lookup, string Result) Policy(in PacketContext p) => (
        $"identities of {p.FlowKey.Source} and {p.FlowKey.Destination}", $"{names.IdentityOf(p.SourceIdentity)} to {names.IdentityOf(p.DestinationIdentity)}");

    private static (string Lookup, string Result) RevDnat(StageFacts facts, in PacketContext p)
    {
        if (p.IsReply && p.DirectReturn == DirectReturnRole.Backend)
        {
            return ("under whose name the backend answers (direct server return)", facts.Mapping is null ? "the record is lost: the answer goes out as it is"
                : $"the client sees the service {FlowKey.Endpoint(p.Key.Source, p.Key.SourcePort)}");
        }

        if (!p.IsReply || p.RevNat == 0)
        {
            return ("frontend of the flow", "skipped: not the answer of a backend");
        }

        string lookup = string.Create(CultureInfo.InvariantCulture, $"frontend {p.RevNat & 0xFFFFF}");
        return (lookup, p.Key == facts.Key ? "gone: the service was deleted, so that the client sees the backend itself"
            : $"the client sees the frontend {FlowKey.Endpoint(p.Key.Source, p.Key.SourcePort)}{(p.IsHairpin ? " and itself as the destination" : "")}");
    }

    private static (string Lookup, string Result) Confirm(in PacketContext p, Verdict v)
    {
        if (v == Verdict.Drop)
        {
            return ("a free entry of conntrack", Dropped(p));
        }

        return p.Status != ConntrackStatus.New || p.IsIcmpError
            ? ("a free entry of conntrack", "skipped: the flow is known")
            : ("a free entry of conntrack", $"recorded: {p.FlowKey}{(p.RevNat != 0 ? ", translated from its frontend" : "")}{(p.IsSnat ? ", masqueraded" : "")}");
    }

    private (string Lookup, string Result) Transmit(StageFacts facts, in PacketContext p, Verdict v)
    {
        Port port = s.Ports[p.EgressPort];
        bool isUplink = port.Kind == PortKind.Uplink;
        IpAddress nextHop = p.NextHop != default ? p.NextHop : p.Route.NextHop == default ? p.Key.Destination : p.Route.NextHop;
        string lookup = string.Create(
            CultureInfo.InvariantCulture, $"hops left {facts.HopLimit}, {facts.DatagramLength} of {port.Mtu} bytes{(isUplink ? $", MAC address of {names.With(nextHop)}" : "")}");
        string state = facts.Neighbor is { } neighbor ? neighbor.State.ToString().ToLowerInvariant() : "not known";
        return (lookup, v switch
        {
            Verdict.Drop => Dropped(p),
            Verdict.Held => $"held: the MAC address is {state}; the packet leaves when {nextHop} answers, and is dropped after 3 s without an answer",
            _ when isUplink => $"leaves by {port.Name} to {EthernetHeader.Of(p.Frame).Destination} ({state}){Cut(facts, p, port)}",
            _ => $"leaves by {port.Name} to {EthernetHeader.Of(p.Frame).Destination}{Cut(facts, p, port)}",
        });
    }

    private static string Cut(StageFacts facts, in PacketContext p, Port port) =>
        facts.DatagramLength > port.Mtu && p.Offload.IsToBeFragmented ? ", in fragments" : "";
}
