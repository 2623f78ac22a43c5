using System.Globalization;
using System.Numerics;

namespace ClusterMesh.Datapath.Wire;

/// <summary>
/// A flow's tuple, ports in host order. ICMP echo carries its id as the destination port of a request and the source port of a
/// reply, so that a request and its reply are each other's <see cref="Reversed"/>. 40 bytes, no references, no hidden padding.
/// </summary>
public readonly record struct FlowKey(
    IpAddress Source, IpAddress Destination, ushort SourcePort, ushort DestinationPort, IpProtocol Protocol, FlowScope Scope = FlowScope.Flow, ushort Reserved = 0)
{
    /// <summary>Bytes in memory.</summary>
    public const int Length = 40;

    public FlowKey Reversed => new(Destination, Source, DestinationPort, SourcePort, Protocol, Scope);

    /// <summary>A seeded, well-mixed hash of the whole key; the seed keeps senders from choosing colliding tuples.</summary>
    public ulong Hash(ulong seed)
    {
        ulong ports = (ulong)SourcePort << 48 | (ulong)DestinationPort << 32 | (ulong)Protocol << 8 | (ulong)Scope;

        // Both factors are secret: a factor that a sender can make zero would let all keys with that half collide.
        ulong turned = BitOperations.RotateLeft(seed, 32);
        ulong a = Fold(Source.High ^ seed, Source.Low ^ turned ^ 0x9E37_79B9_7F4A_7C15);
        ulong b = Fold(Destination.High ^ a, Destination.Low ^ turned ^ 0xC2B2_AE3D_27D4_EB4F);
        return Fold(ports ^ b ^ seed, a ^ 0x1656_67B1_9E37_79F9);
    }

    public override string ToString() => string.Create(CultureInfo.InvariantCulture,
        $"{ProtocolName(Protocol)} {Endpoint(Source, SourcePort)} -> {Endpoint(Destination, DestinationPort)}");

    /// <summary>TCP, UDP, ICMP, or the number when there is no name.</summary>
    public static string ProtocolName(IpProtocol protocol) => protocol switch
    {
        IpProtocol.Tcp => "TCP",
        IpProtocol.Udp => "UDP",
        IpProtocol.Sctp => "SCTP",
        IpProtocol.Icmp => "ICMP",
        IpProtocol.Icmpv6 => "ICMPv6",
        _ => ((byte)protocol).ToString(CultureInfo.InvariantCulture),
    };

    /// <summary>10.0.0.1:80 or [fd00::1]:80.</summary>
    public static string Endpoint(IpAddress address, int port) => address.IsIpv4
        ? string.Create(CultureInfo.InvariantCulture, $"{address}:{port}")
        : string.Create(CultureInfo.InvariantCulture, $"[{address}]:{port}");

    private static ulong Fold(ulong x, ulong y)
    {
        ulong high = Math.BigMul(x, y, out ulong low);
        return high ^ low;
    }
}
