using System.Buffers.Binary;

namespace ClusterMesh.Datapath.Pipeline;

/// <summary>What all nodes that shall choose alike have in common (Cilium's maglev.hashSeed): 12 bytes, three numbers.</summary>
/// <param name="Permutation">Of the hash by which backends take their places.</param>
/// <param name="Ipv4">Of the hash by which IPv4 flows find theirs.</param>
public readonly record struct MaglevSeed(uint Permutation, uint Ipv4, uint Ipv6)
{
    /// <summary>Cilium's default.</summary>
    public const string DefaultText = "JLfvgnHc2kaSUFaI";

    /// <summary>Bytes behind the base64.</summary>
    public const int Length = 12;

    public static MaglevSeed Default { get; } = TryParse(DefaultText, out MaglevSeed seed) ? seed : default;

    /// <summary>As it is written in configuration.</summary>
    public override string ToString()
    {
        Span<byte> bytes = stackalloc byte[Length];
        BinaryPrimitives.WriteUInt32BigEndian(bytes, Permutation);
        BinaryPrimitives.WriteUInt32BigEndian(bytes[4..], Ipv4);
        BinaryPrimitives.WriteUInt32BigEndian(bytes[8..], Ipv6);
        return Convert.ToBase64String(bytes);
    }

    /// <summary>Takes base64 of exactly 12 bytes.</summary>
    public static bool TryParse(string text, out MaglevSeed seed)
    {
        Span<byte> bytes = stackalloc byte[Length];
        bool isSeed = text.Length == Length / 3 * 4 && Convert.TryFromBase64String(text, bytes, out int length) && length == Length;
        seed = isSeed
            ? new(BinaryPrimitives.ReadUInt32BigEndian(bytes), BinaryPrimitives.ReadUInt32BigEndian(bytes[4..]), BinaryPrimitives.ReadUInt32BigEndian(bytes[8..]))
            : default;
        return isSeed;
    }
}
