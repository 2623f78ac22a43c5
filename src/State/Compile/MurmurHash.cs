using System.Buffers.Binary;
using System.Numerics;

namespace ClusterMesh.Datapath.State.Compile;

/// <summary>MurmurHash3 x64 128 (Austin Appleby, public domain): by its two halves a backend takes its places in a Maglev table.</summary>
internal static class MurmurHash
{
    private const ulong First = 0x87C3_7B91_1142_53D5;
    private const ulong Second = 0x4CF5_AD43_2745_937F;
    private const int BlockLength = 16;

    public static (ulong High, ulong Low) Of(ReadOnlySpan<byte> text, uint seed)
    {
        ulong h1 = seed;
        ulong h2 = seed;
        ReadOnlySpan<byte> rest = text;
        for (; rest.Length >= BlockLength; rest = rest[BlockLength..])
        {
            h1 ^= MixFirst(BinaryPrimitives.ReadUInt64LittleEndian(rest));
            h1 = ((BitOperations.RotateLeft(h1, 27) + h2) * 5) + 0x52DC_E729;
            h2 ^= MixSecond(BinaryPrimitives.ReadUInt64LittleEndian(rest[8..]));
            h2 = ((BitOperations.RotateLeft(h2, 31) + h1) * 5) + 0x3849_5AB5;
        }

        Span<byte> tail = stackalloc byte[BlockLength];
        tail.Clear();
        rest.CopyTo(tail);
        h2 ^= MixSecond(BinaryPrimitives.ReadUInt64LittleEndian(tail[8..]));
        h1 ^= MixFirst(BinaryPrimitives.ReadUInt64LittleEndian(tail));

        h1 ^= (ulong)text.Length;
        h2 ^= (ulong)text.Length;
        h1 += h2;
        h2 += h1;
        h1 = Finish(h1);
        h2 = Finish(h2);
        h1 += h2;
        h2 += h1;
        return (h1, h2);
    }

    private static ulong MixFirst(ulong k) => BitOperations.RotateLeft(k * First, 31) * Second;

    private static ulong MixSecond(ulong k) => BitOperations.RotateLeft(k * Second, 33) * First;

    private static ulong Finish(ulong k)
    {
        k = (k ^ (k >> 33)) * 0xFF51_AFD7_ED55_8CCD;
        k = (k ^ (k >> 33)) * 0xC4CE_B9FE_1A85_EC53;
        return k ^ (k >> 33);
    }
}
