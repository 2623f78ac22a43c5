using System.Runtime.InteropServices;
using ClusterMesh.Datapath.Pipeline;

namespace ClusterMesh.Datapath.Io;

/// <summary>
/// How a file of flow tables is laid out, by the number in its head. Two heads in the first page, then each worker's tables in whole pages: conntrack, SNAT,
/// sessions, fragments, each behind a head of 64 bytes and in whole cache lines. What changes an entry counts <see cref="Current"/> up and leaves the
/// former layout in the list, with a reader; a test compares the entries with what was written down for the number. docs/decisions/0053 has the table.
/// </summary>
/// <param name="Number">In the file's head.</param>
/// <param name="ConntrackLength">Bytes of a conntrack entry; those of the other tables have never changed.</param>
internal sealed record FlowLayout(uint Number, int ConntrackLength)
{
    /// <summary>Before each table: <see cref="TableHead"/>, and zeros.</summary>
    public const int TableHeadLength = 64;

    private const long TablesOffset = 4096;
    private const long Page = 4096;
    private const int Line = 64;

    /// <summary>What this program writes.</summary>
    public static readonly FlowLayout Current = new(2, ConntrackEntry.Length);

    /// <summary>
    /// What it reads. Programs of some weeks wrote 1 with entries of two lengths: for a time the server's identity and four unused bytes stood behind the
    /// generation. The file's length tells which.
    /// </summary>
    private static readonly FlowLayout[] s_known = [Current, new(1, 88), new(1, 96)];

    /// <summary>The layout of a file of so many bytes; null when it is none that is known, or tables of a few hundred entries leave open which.</summary>
    public static FlowLayout? Find(uint number, int workerCount, FlowSizes sizes, long length)
    {
        FlowLayout[] fitting = [.. s_known.Where(l => l.Number == number && l.FileLength(workerCount, sizes) == length)];
        return fitting.Length == 1 ? fitting[0] : null;
    }

    public static bool IsKnown(uint number) => Array.Exists(s_known, l => l.Number == number);

    public long FileLength(int workerCount, in FlowSizes sizes) => TablesOffset + (workerCount * WorkerLength(sizes));

    public long ConntrackOffset(int worker, in FlowSizes sizes) => TablesOffset + (worker * WorkerLength(sizes));

    public long SnatOffset(int worker, in FlowSizes sizes) => ConntrackOffset(worker, sizes) + TableLength(sizes.Conntrack, ConntrackLength);

    public long AffinityOffset(int worker, in FlowSizes sizes) => SnatOffset(worker, sizes) + TableLength(sizes.Snat, SnatEntry.Length);

    public long FragmentOffset(int worker, in FlowSizes sizes) => AffinityOffset(worker, sizes) + TableLength(sizes.AffinityPlaces, AffinityEntry.Length);

    /// <summary>A conntrack entry of this layout. All that were have what this program's has, in the same places, and perhaps more behind it.</summary>
    public ConntrackEntry ReadConntrack(ReadOnlySpan<byte> record) => MemoryMarshal.Read<ConntrackEntry>(record[..ConntrackLength]);

    private static long TableLength(int count, int entryLength) => (TableHeadLength + ((long)count * entryLength) + Line - 1) / Line * Line;

    private long WorkerLength(in FlowSizes sizes)
    {
        long length = TableLength(sizes.Conntrack, ConntrackLength) + TableLength(sizes.Snat, SnatEntry.Length)
            + TableLength(sizes.AffinityPlaces, AffinityEntry.Length) + TableLength(sizes.Fragments, FragmentEntry.Length);
        return (length + Page - 1) / Page * Page;
    }
}
