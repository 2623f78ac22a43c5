using System.Buffers.Binary;
using System.Numerics;
using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.Pipeline;

/// <summary>
/// Bob Jenkins' lookup3 as the kernel has it (linux/jhash.h), over what Cilium's datapath puts in (bpf/lib/hash.h): source address, both ports,
/// protocol. Bit for bit the same, so that its nodes and ours choose the same backend for a flow.
/// </summary>
public static class JenkinsHash
{
    /// <summary>JHASH_INITVAL and the length of three words.</summary>
    private const uint Start = 0xDEAD_BEEF + 12;

    /// <summary>Three words; jhash_3words.</summary>
    public static uint Words(uint a, uint b, uint c, uint seed)
    {
        seed += Start;
        a += seed;
        b += seed;
        c += seed;
        Final(ref a, ref b, ref c);
        return c;
    }

    /// <summary>The flow as its client sends it to the frontend; the frontend's address does not count.</summary>
    /// <param name="hasPort">False puts 0 for the client's port: all flows of a client hash alike, for session affinity.</param>
    public static uint Flow(in FlowKey key, bool hasPort, MaglevSeed seed)
    {
        // Ports and addresses as a little-endian machine reads them from the packet.
        uint destinationPort = BinaryPrimitives.ReverseEndianness(key.DestinationPort);
        uint sourcePort = hasPort ? BinaryPrimitives.ReverseEndianness(key.SourcePort) : 0u;
        uint ports = (destinationPort << 16) | sourcePort;
        if (key.Source.IsIpv4)
        {
            return Words(BinaryPrimitives.ReverseEndianness(key.Source.ToIpv4()), ports, (uint)key.Protocol, seed.Ipv4);
        }

        uint a = BinaryPrimitives.ReverseEndianness((uint)(key.Source.High >> 32));
        uint b = BinaryPrimitives.ReverseEndianness((uint)key.Source.High);
        uint c = BinaryPrimitives.ReverseEndianness((uint)(key.Source.Low >> 32));
        Mix(ref a, ref b, ref c);
        a += BinaryPrimitives.ReverseEndianness((uint)key.Source.Low);
        b += ports;
        c += (uint)key.Protocol;
        Mix(ref a, ref b, ref c);
        a += seed.Ipv6;
        Final(ref a, ref b, ref c);
        return c;
    }

    private static void Mix(ref uint a, ref uint b, ref uint c)
    {
        a = (a - c) ^ BitOperations.RotateLeft(c, 4);
        c += b;
        b = (b - a) ^ BitOperations.RotateLeft(a, 6);
        a += c;
        c = (c - b) ^ BitOperations.RotateLeft(b, 8);
        b += a;
        a = (a - c) ^ BitOperations.RotateLeft(c, 16);
        c += b;
        b = (b - a) ^ BitOperations.RotateLeft(a, 19);
        a += c;
        c = (c - b) ^ BitOperations.RotateLeft(b, 4);
        b += a;
    }

    private static void Final(ref uint a, ref uint b, ref uint c)
    {
        c = (c ^ b) - BitOperations.RotateLeft(b, 14);
        a = (a ^ c) - BitOperations.RotateLeft(c, 11);
        b = (b ^ a) - BitOperations.RotateLeft(a, 25);
        c = (c ^ b) - BitOperations.RotateLeft(b, 16);
        a = (a ^ c) - BitOperations.RotateLeft(c, 4);
        b = (b ^ a) - BitOperations.RotateLeft(a, 14);
        c = (c ^ b) - BitOperations.RotateLeft(b, 24);
    }
}
