using System.Buffers.Binary;
using System.Text;

namespace ClusterMesh.Datapath.Forwarder.Tests;

/// <summary>Reads pcapng by the draft (draft-ietf-opsawg-pcapng), written from it alone, and refuses what does not keep to it.</summary>
internal sealed class PcapngFile
{
    private PcapngFile()
    {
    }

    public List<string> Interfaces { get; } = [];

    public List<Packet> Packets { get; } = [];

    /// <summary>isb_ifdrop of all interfaces together; null when there are no statistics.</summary>
    public ulong? Lost { get; private set; }

    public static PcapngFile Read(ReadOnlySpan<byte> bytes)
    {
        var file = new PcapngFile();
        for (bool isFirst = true; bytes.Length > 0; isFirst = false)
        {
            uint type = BinaryPrimitives.ReadUInt32LittleEndian(bytes);
            int length = BinaryPrimitives.ReadInt32LittleEndian(bytes[4..]);
            Assert.True(length % 4 == 0 && length >= 12 && length <= bytes.Length, $"a block of {length} bytes, {bytes.Length} are left");
            Assert.Equal(length, BinaryPrimitives.ReadInt32LittleEndian(bytes[(length - 4)..]));
            Assert.Equal(isFirst, type == 0x0A0D0D0A);
            file.Take(type, bytes[8..(length - 4)]);
            bytes = bytes[length..];
        }

        return file;
    }

    private void Take(uint type, ReadOnlySpan<byte> body)
    {
        switch (type)
        {
            case 0x0A0D0D0A:
                Assert.Equal(0x1A2B3C4Du, BinaryPrimitives.ReadUInt32LittleEndian(body));
                Assert.Equal(1, BinaryPrimitives.ReadUInt16LittleEndian(body[4..]));
                break;
            case 1:
                Dictionary<int, byte[]> described = Options(body[8..]);
                Assert.Equal(1, BinaryPrimitives.ReadUInt16LittleEndian(body)); // Ethernet
                Assert.Equal([9], described[9]); // nanoseconds
                Interfaces.Add(Encoding.UTF8.GetString(described[2]));
                break;
            case 6:
                int kept = BinaryPrimitives.ReadInt32LittleEndian(body[12..]);
                Dictionary<int, byte[]> options = Options(body[(20 + ((kept + 3) & ~3))..]);
                Packets.Add(new Packet(
                    Interfaces[BinaryPrimitives.ReadInt32LittleEndian(body)],
                    ((ulong)BinaryPrimitives.ReadUInt32LittleEndian(body[4..]) << 32) | BinaryPrimitives.ReadUInt32LittleEndian(body[8..]),
                    BinaryPrimitives.ReadInt32LittleEndian(body[16..]), body.Slice(20, kept).ToArray(), Encoding.UTF8.GetString(options[1]),
                    (BinaryPrimitives.ReadUInt32LittleEndian(options[2]) & 3) == 1, options.TryGetValue(5, out byte[]? id) ? BinaryPrimitives.ReadUInt64LittleEndian(id) : 0));
                break;
            case 5:
                Lost = (Lost ?? 0) + BinaryPrimitives.ReadUInt64LittleEndian(Options(body[12..])[5]);
                break;
            default:
                Assert.Fail($"a block of type {type}");
                break;
        }
    }

    private static Dictionary<int, byte[]> Options(ReadOnlySpan<byte> bytes)
    {
        var options = new Dictionary<int, byte[]>();
        while (true)
        {
            int code = BinaryPrimitives.ReadUInt16LittleEndian(bytes);
            int length = BinaryPrimitives.ReadUInt16LittleEndian(bytes[2..]);
            if (code == 0)
            {
                Assert.Equal((0, 4), (length, bytes.Length));
                return options;
            }

            options.Add(code, bytes.Slice(4, length).ToArray());
            bytes = bytes[(4 + ((length + 3) & ~3))..];
        }
    }

    /// <param name="Time">Nanoseconds since 1970.</param>
    internal sealed record Packet(string Interface, ulong Time, int Length, byte[] Bytes, string Comment, bool IsInbound, ulong Id);
}
