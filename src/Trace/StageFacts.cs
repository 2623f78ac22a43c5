using ClusterMesh.Datapath.Pipeline;
using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.Trace;

/// <summary>What the tables know when a packet comes to a stage, which may change it.</summary>
internal sealed record StageFacts(PipelineStage Stage, FlowKey Key)
{
    /// <summary>The client's choice of backend, if it lives.</summary>
    public ConntrackEntry? Choice { get; private init; }

    /// <summary>The backend of the client's session.</summary>
    public Backend? Session { get; private init; }

    /// <summary>The frontend that the packet asks for, on the side on which it asks.</summary>
    public Frontend? Frontend { get; private init; }

    /// <summary>The flow, if it lives.</summary>
    public ConntrackEntry? Flow { get; private init; }

    public SnatEntry? Mapping { get; private init; }

    /// <summary>The mapping's flow lives.</summary>
    public bool IsMappingAlive { get; private init; }

    public NeighborEntry? Neighbor { get; private init; }

    public byte HopLimit { get; private init; }

    public int DatagramLength { get; private init; }

    public bool IsDontFragment { get; private init; }

    /// <summary>Looks before a stage runs, and notes what it will look for.</summary>
    public static StageFacts Before(PipelineStage stage, in PacketContext p, Snapshot s, LiveTables live, StateWants wants, MonoTime now)
    {
        var facts = new StageFacts(stage, p.Key);
        return stage switch
        {
            PipelineStage.Parse => BeforeParse(facts, p, wants),
            PipelineStage.RevSnat => BeforeRevSnat(facts, p, live, wants, now),
            PipelineStage.Service => BeforeService(facts, p, s, live, wants, now),
            PipelineStage.Conntrack => BeforeConntrack(facts, p, live, wants, now),
            PipelineStage.RevDnat => BeforeRevDnat(facts, p, live, wants),
            PipelineStage.Snat => BeforeSnat(facts, p, s, live, wants),
            PipelineStage.Transmit => BeforeTransmit(facts, p, s, live, wants),
            _ => facts,
        };
    }

    /// <summary>The fragment is one of a datagram whose ports a table knows.</summary>
    private static StageFacts BeforeParse(StageFacts facts, in PacketContext p, StateWants wants)
    {
        if (EthernetHeader.TryParse(p.Frame, out EthernetHeader ethernet) && ethernet.Type is EtherType.Ipv4 or EtherType.Ipv6
            && IpHeader.Parse(p.Datagram, quoted: false, out IpHeader ip) == IpParseResult.Valid && ip.IsFragment)
        {
            wants.Fragments.Add((new FlowKey(ip.Source, ip.Destination, 0, 0, ip.Protocol), ip.FragmentId));
        }

        return facts;
    }

    private static StageFacts BeforeRevSnat(StageFacts facts, in PacketContext p, LiveTables live, StateWants wants, MonoTime now)
    {
        wants.Translated.Add(p.Key.Reversed);
        wants.AddFlow(p.Key); // Where there are several workers, whoever has it has the packet.
        int index = live.Snat.FindReverse(p.Key);
        return index < 0 ? facts : facts with { Mapping = live.Snat[index], IsMappingAlive = live.Snat.FlowOf(index, live.Conntrack, now) >= 0 };
    }

    private static StageFacts BeforeService(StageFacts facts, in PacketContext p, Snapshot s, LiveTables live, StateWants wants, MonoTime now)
    {
        if (!ServiceTable.IsServed(p.Key.Protocol) || !s.Services.TryFind(p.Key.Destination, p.Key.DestinationPort, p.Key.Protocol, out Frontend? found))
        {
            return facts;
        }

        Frontend frontend = p.IngressKind != PortKind.Uplink && found!.Internal is { } inner ? inner : found!;
        FlowKey choice = p.Key with { Scope = FlowScope.Service };
        wants.Conntrack.Add(choice);
        wants.Sessions.Add((frontend.Id, p.Key.Source));
        int index = live.Conntrack.Find(choice, now);
        bool hasSession = live.Affinities.TryPeek(frontend, p.Key.Source, now, out Backend session);
        return facts with { Frontend = frontend, Choice = index < 0 ? null : live.Conntrack[index], Session = hasSession ? session : null };
    }

    private static StageFacts BeforeConntrack(StageFacts facts, in PacketContext p, LiveTables live, StateWants wants, MonoTime now)
    {
        wants.AddFlow(p.Key);
        int index = live.Conntrack.Find(ConntrackTable.Ordered(p.Key, out _), now);
        return index < 0 ? facts : facts with { Flow = live.Conntrack[index] };
    }

    /// <summary>In direct server return a backend's node keeps under whose name it answers among the mappings.</summary>
    private static StageFacts BeforeRevDnat(StageFacts facts, in PacketContext p, LiveTables live, StateWants wants)
    {
        if (!p.IsReply || p.DirectReturn != DirectReturnRole.Backend)
        {
            return facts;
        }

        wants.Forward.Add(p.Key);
        int index = live.Snat.FindForward(p.Key);
        return index < 0 ? facts : facts with { Mapping = live.Snat[index] };
    }

    private static StageFacts BeforeSnat(StageFacts facts, in PacketContext p, Snapshot s, LiveTables live, StateWants wants)
    {
        if (p.ServicePort != 0 && !p.IsReply)
        {
            wants.Forward.Add(p.Key.Reversed);
        }

        if (s.Ports[p.EgressPort].Kind != PortKind.Uplink)
        {
            return facts;
        }

        wants.Forward.Add(p.Key);
        int index = live.Snat.FindForward(p.Key);
        return index < 0 ? facts : facts with { Mapping = live.Snat[index] };
    }

    private static StageFacts BeforeTransmit(StageFacts facts, in PacketContext p, Snapshot s, LiveTables live, StateWants wants)
    {
        if (IpHeader.Parse(p.Datagram, quoted: false, out IpHeader ip) == IpParseResult.Valid)
        {
            facts = facts with { HopLimit = ip.HopLimit, DatagramLength = ip.TotalLength, IsDontFragment = ip.IsDontFragment };
        }

        if (s.Ports[p.EgressPort].Kind != PortKind.Uplink)
        {
            return facts;
        }

        IpAddress nextHop = p.NextHop != default ? p.NextHop : p.Route.NextHop == default ? p.Key.Destination : p.Route.NextHop;
        wants.Neighbors.Add(nextHop);
        int index = live.Neighbors.IndexOf(nextHop);
        return index < 0 ? facts : facts with { Neighbor = live.Neighbors[index] };
    }
}
