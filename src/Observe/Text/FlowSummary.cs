using ClusterMesh.Datapath.Pipeline.Events;
using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.Observe.Text;

/// <summary>Layer 4 of a packet in Hubble's words: "TCP Flags: SYN, ACK", "UDP", "ICMPv4 EchoRequest".</summary>
public static class FlowSummary
{
    // In Hubble's order, which is not that of the bits.
    private static readonly (TcpFlags Flag, string Name)[] s_flags =
    [
        (TcpFlags.Syn, "SYN"), (TcpFlags.Ack, "ACK"), (TcpFlags.Rst, "RST"), (TcpFlags.Fin, "FIN"),
        (TcpFlags.Psh, "PSH"), (TcpFlags.Urg, "URG"), (TcpFlags.Ece, "ECE"), (TcpFlags.Cwr, "CWR"),
    ];

    /// <summary>Empty for other protocols.</summary>
    public static string Of(in FlowRecord record)
    {
        TcpFlags flags = record.TcpFlags;
        return record.Protocol switch
        {
            IpProtocol.Tcp => "TCP Flags: " + string.Join(", ", s_flags.Where(f => flags.HasFlag(f.Flag)).Select(f => f.Name)),
            IpProtocol.Udp => "UDP",
            IpProtocol.Sctp => "SCTP",
            IpProtocol.Icmp => "ICMPv4 " + IcmpNames.OfIcmp(record.IcmpType, record.IcmpCode),
            IpProtocol.Icmpv6 => "ICMPv6 " + IcmpNames.OfIcmpv6(record.IcmpType, record.IcmpCode),
            _ => "",
        };
    }
}
