namespace ClusterMesh.Datapath.Control.Messages;

/// <summary>
/// A packet to trace. Either a frame (<see cref="Frame"/>, hexadecimal, from the Ethernet header on, with <see cref="In"/>), or one made from
/// <see cref="From"/> and <see cref="To"/>, or the answer to the packet before it in the request (<see cref="IsAnswer"/>).
/// </summary>
public sealed record TracePacket
{
    /// <summary>A pod (default/curl-pod), <c>host</c>, or an address; with a port behind it or without.</summary>
    public string? From { get; init; }

    /// <summary>An address with a port, a service, one of its frontends as <c>list service</c> writes it, or a pod.</summary>
    public string? To { get; init; }

    /// <summary>tcp, udp, sctp or icmp; the service's or tcp when left out.</summary>
    public string? Protocol { get; init; }

    /// <summary>Of TCP: SYN, or several as in SYN,ACK. SYN when left out.</summary>
    public string? Flags { get; init; }

    /// <summary>TTL or hop limit; 64 when left out.</summary>
    public int? HopLimit { get; init; }

    /// <summary>Bytes of the IP datagram; as short as can be when left out.</summary>
    public int? Length { get; init; }

    /// <summary>Sets DF of IPv4; TCP has it unless this is false.</summary>
    public bool? DontFragment { get; init; }

    /// <summary>Name of the port that the packet comes in by; the one that follows from its source when left out.</summary>
    public string? In { get; init; }

    /// <summary>Hexadecimal.</summary>
    public string? Frame { get; init; }

    /// <summary>The frame was captured elsewhere: its MAC addresses are made those of the port's link.</summary>
    public bool? Readdress { get; init; }

    /// <summary>The answer to the packet before, as its receiver would send it.</summary>
    public bool? IsAnswer { get; init; }
}
