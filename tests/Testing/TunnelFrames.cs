using System.Buffers.Binary;
using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.Testing;

/// <summary>Tunnelled frames, said field by field (RFC 7348 section 5). Bytes and checksums come from <see cref="TestPacket"/>, never from the code under test.</summary>
public static class TunnelFrames
{
    public const int Port = 8472;

    /// <summary>Outer UDP source port where the test does not care.</summary>
    public const int AnyPort = 50_000;

    /// <summary>The outer packet around a frame, as this project's nodes send it.</summary>
    public static TestPacket Around(byte[] inner, IpAddress from, IpAddress to, uint vni, int sourcePort = AnyPort, bool? hasChecksum = null) =>
        TestPacket.Udp(from, sourcePort, to, Port) with
        {
            Payload = [.. Header(vni), .. inner],
            Id = 0,
            IsDontFragment = true,
            HasUdpChecksum = hasChecksum ?? !from.IsIpv4,
        };

    public static byte[] Header(uint vni, byte flags = 0x08)
    {
        byte[] header = new byte[8];
        header[0] = flags;
        BinaryPrimitives.WriteUInt32BigEndian(header.AsSpan(4), vni << 8);
        return header;
    }

    /// <summary>What is inside the outer headers of a frame.</summary>
    public static byte[] Inside(byte[] frame) => frame[OuterLength(frame)..];

    public static int OuterLength(byte[] frame) => frame[12] == 0x08 ? 50 : 70;

    /// <summary>The inner frame's MAC address of a node's tunnel end.</summary>
    public static MacAddress MacOf(IpAddress node) => new(0x0242_0000_0000 | (node.Low & 0xFFFF_FFFF));
}
