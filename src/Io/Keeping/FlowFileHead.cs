using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text;
using ClusterMesh.Datapath.Pipeline;

namespace ClusterMesh.Datapath.Io;

/// <summary>
/// What stands at the beginning of a file with flow tables: whose it is and how it is laid out. 512 bytes, numbers little-endian, with a checksum at
/// the end. Two of them stand there and are written in turns, so that one is whole whenever its writer is killed; the one with the higher generation
/// holds. docs/decisions/0050 has the table.
/// </summary>
/// <param name="Layout">How entries are laid out; see <see cref="FlowLayout"/>.</param>
/// <param name="Sizes">Entries of each worker's tables.</param>
/// <param name="Seed">Of all hashes and of the dealing of ports.</param>
/// <param name="Generation">How many processes have had the file.</param>
/// <param name="Node">Cluster and name.</param>
/// <param name="Boot">Times in entries are of this boot's clock.</param>
internal sealed record FlowFileHead(
    uint Layout, int WorkerCount, FlowSizes Sizes, ulong Seed, ulong Generation, int OwnerId, ulong OwnerStart, string Node, Guid Boot)
{
    public const int Length = 512;

    private const ulong Magic = 0x7377_6F6C_6668_736D; // mshflows
    private const int NodeOffset = 96;
    private const int NodeLength = 256;
    private const int SumOffset = Length - 32;

    public void WriteTo(Span<byte> head)
    {
        head.Clear();
        BinaryPrimitives.WriteUInt64LittleEndian(head, Magic);
        BinaryPrimitives.WriteUInt32LittleEndian(head[8..], Layout);
        BinaryPrimitives.WriteInt32LittleEndian(head[12..], WorkerCount);
        BinaryPrimitives.WriteInt32LittleEndian(head[16..], Sizes.Conntrack);
        BinaryPrimitives.WriteInt32LittleEndian(head[20..], Sizes.Snat);
        BinaryPrimitives.WriteInt32LittleEndian(head[24..], Sizes.AffinityPlaces);
        BinaryPrimitives.WriteInt32LittleEndian(head[28..], Sizes.Fragments);
        BinaryPrimitives.WriteUInt64LittleEndian(head[32..], Seed);
        BinaryPrimitives.WriteUInt64LittleEndian(head[40..], Generation);
        BinaryPrimitives.WriteInt32LittleEndian(head[48..], OwnerId);
        BinaryPrimitives.WriteUInt64LittleEndian(head[56..], OwnerStart);
        Boot.TryWriteBytes(head[64..]);
        Encoding.UTF8.GetBytes(Node, head.Slice(NodeOffset, NodeLength));
        SHA256.HashData(head[..SumOffset], head[SumOffset..]);
    }

    /// <param name="refusal">Why it is none, when null is returned.</param>
    public static FlowFileHead? Read(ReadOnlySpan<byte> head, out string refusal)
    {
        if (head.Length < Length || BinaryPrimitives.ReadUInt64LittleEndian(head) != Magic)
        {
            refusal = "it is no file of flow tables";
            return null;
        }

        if (!SHA256.HashData(head[..SumOffset]).AsSpan().SequenceEqual(head[SumOffset..Length]))
        {
            refusal = "the checksum of its head is wrong";
            return null;
        }

        refusal = "";
        return new FlowFileHead(
            BinaryPrimitives.ReadUInt32LittleEndian(head[8..]),
            BinaryPrimitives.ReadInt32LittleEndian(head[12..]),
            new FlowSizes(
                BinaryPrimitives.ReadInt32LittleEndian(head[16..]),
                BinaryPrimitives.ReadInt32LittleEndian(head[20..]),
                BinaryPrimitives.ReadInt32LittleEndian(head[24..]),
                BinaryPrimitives.ReadInt32LittleEndian(head[28..])),
            BinaryPrimitives.ReadUInt64LittleEndian(head[32..]),
            BinaryPrimitives.ReadUInt64LittleEndian(head[40..]),
            BinaryPrimitives.ReadInt32LittleEndian(head[48..]),
            BinaryPrimitives.ReadUInt64LittleEndian(head[56..]),
            new string([.. Encoding.UTF8.GetString(head.Slice(NodeOffset, NodeLength)).TrimEnd('\0').Select(c => char.IsControl(c) ? '?' : c)]), // said in a log
            new Guid(head.Slice(64, 16)));
    }
}
