using System.Buffers.Binary;

namespace ClusterMesh.Datapath.Replay.Tests;

/// <summary>Capture files written by hand, in the shapes that tools write.</summary>
internal static class CaptureText
{
    public const uint Microseconds = 0xA1B2_C3D4;
    public const uint Nanoseconds = 0xA1B2_3C4D;

    /// <summary>A pcap file, big endian as a foreign machine would write it.</summary>
    /// <param name="cut">Bytes by which each packet is shorter in the file than on the wire.</param>
    public static byte[] Pcap(IEnumerable<ReplayFrame> frames, uint magic = Nanoseconds, uint linkType = 1, int cut = 0)
    {
        var file = new MemoryStream();
        Write(file, magic);
        Write(file, 2 << 16 | 4);
        Write(file, 0);
        Write(file, 0);
        Write(file, 262_144);
        Write(file, linkType);
        foreach (ReplayFrame frame in frames)
        {
            Write(file, (uint)(frame.Time / 1_000_000_000));
            Write(file, (uint)(frame.Time % 1_000_000_000 / (magic == Nanoseconds ? 1 : 1000)));
            Write(file, (uint)(frame.Bytes.Length - cut));
            Write(file, (uint)frame.Bytes.Length);
            file.Write(frame.Bytes.Span[..^cut]);
        }

        return file.ToArray();
    }

    /// <summary>A pcapng file with one interface, in nanoseconds (if_tsresol 9).</summary>
    public static byte[] Pcapng(IEnumerable<ReplayFrame> frames)
    {
        var file = new MemoryStream();
        Block(file, 0x0A0D_0D0A, [0x1A2B_3C4D, 1 << 16, 0xFFFF_FFFF, 0xFFFF_FFFF], []);
        Block(file, 1, [1 << 16, 262_144, 9 << 16 | 1, 0x0900_0000, 0], []);
        foreach (ReplayFrame frame in frames)
        {
            uint length = (uint)frame.Bytes.Length;
            Block(file, 6, [0, (uint)(frame.Time >> 32), (uint)frame.Time, length, length], frame.Bytes.Span);
        }

        return file.ToArray();
    }

    private static void Block(MemoryStream file, uint type, uint[] fields, ReadOnlySpan<byte> data)
    {
        int padded = (data.Length + 3) / 4 * 4;
        uint length = (uint)(12 + (fields.Length * 4) + padded);
        Write(file, type);
        Write(file, length);
        Array.ForEach(fields, f => Write(file, f));
        file.Write(data);
        file.Write(new byte[padded - data.Length]);
        Write(file, length);
    }

    private static void Write(MemoryStream file, uint value)
    {
        Span<byte> bytes = stackalloc byte[4];
        BinaryPrimitives.WriteUInt32BigEndian(bytes, value);
        file.Write(bytes);
    }
}
