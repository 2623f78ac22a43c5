using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.Pipeline;

/// <summary>Puts a frame behind outer headers, into the headroom: nothing of it moves, and a super-packet stays whole.</summary>
public static class Encapsulation
{
    /// <summary>RFC 7348 section 5: the source port is of the dynamic range, so that routers spread flows and keep each on one way.</summary>
    private const ushort FirstSourcePort = 49152;

    /// <summary>Any factor: the port tells flows apart and keeps no secret.</summary>
    private const ulong HashSeed = 0x9E37_79B9_7F4A_7C15;

    /// <summary>Writes the outer headers but their MAC addresses.</summary>
    /// <param name="buffer">From so many bytes before the inner frame on as the outer headers have, to the inner frame's end.</param>
    /// <param name="offload">What the inner frame asks; then what the whole frame does.</param>
    /// <param name="identity">Of the sender.</param>
    /// <param name="key">The inner flow as it leaves.</param>
    public static void Wrap(Span<byte> buffer, ref VirtioNetHeader offload, TunnelTable tunnels, TunnelEndpoint endpoint, uint identity, in FlowKey key)
    {
        byte[] template = endpoint.Template;
        Span<byte> inner = buffer[template.Length..];
        EthernetHeader ethernet = EthernetHeader.Of(inner);
        ethernet.Destination = endpoint.InnerMac;
        ethernet.Source = tunnels.InnerMac;
        byte innerClass = IpHeader.TrafficClassOf(inner[EthernetHeader.Length..]);
        template.CopyTo(buffer);
        OuterHeaders.WriteFields(buffer, tunnels.InheritsDscp ? innerClass : (byte)(innerClass & Ecn.Mask), SourcePortOf(key), identity);
        offload = OuterHeaders.Finish(buffer, offload, tunnels.HasChecksum);
    }

    private static ushort SourcePortOf(in FlowKey key) => (ushort)(FirstSourcePort | ((key with { Reserved = 0, Scope = FlowScope.Flow }).Hash(HashSeed) >> 50));
}
