using System.Buffers;
using System.Buffers.Text;
using Microsoft.Win32.SafeHandles;

namespace ClusterMesh.Datapath.Control.Rows;

/// <summary>
/// What this process takes of memory, as counters: from the kernel (<c>process</c>: proc(5), VmRSS and RssAnon of status) and from the garbage collector
/// (<c>heap</c>). Reading it collects nothing. <c>aliveBytes</c> is what the last collection of the whole heap left, without gaps: that it grows is a leak;
/// that <c>ownBytes</c> grows and it does not is room that the runtime keeps.
/// </summary>
public static class MemoryRows
{
    private const string StatusFile = "/proc/self/status";

    /// <summary>More than it is on any machine: the masks of processors are the longest lines.</summary>
    private const int StatusLength = 16 * 1024;

    public static IEnumerable<CounterRow> Read()
    {
        GCMemoryInfo last = GC.GetGCMemoryInfo(GCKind.Any);
        GCMemoryInfo blocking = GC.GetGCMemoryInfo(GCKind.FullBlocking);
        GCMemoryInfo background = GC.GetGCMemoryInfo(GCKind.Background);
        GCMemoryInfo whole = background.Index > blocking.Index ? background : blocking;
        yield return new CounterRow("heap", "last", "bytes", (ulong)last.HeapSizeBytes);
        yield return new CounterRow("heap", "last", "committedBytes", (ulong)last.TotalCommittedBytes);
        yield return new CounterRow("heap", "whole", "aliveBytes", (ulong)Math.Max(0, whole.HeapSizeBytes - whole.FragmentedBytes));
        yield return new CounterRow("heap", "whole", "pauseNanoseconds", (ulong)whole.PauseDurations[0].TotalNanoseconds);
        yield return new CounterRow("heap", "all", "allocatedBytes", (ulong)GC.GetTotalAllocatedBytes());
        yield return new CounterRow("heap", "all", "pauseNanoseconds", (ulong)GC.GetTotalPauseDuration().TotalNanoseconds);
        for (int generation = 0; generation <= GC.MaxGeneration; generation++)
        {
            yield return new CounterRow("heap", $"gen{generation}", "collections", (ulong)GC.CollectionCount(generation));
        }

        byte[] status = ArrayPool<byte>.Shared.Rent(StatusLength);
        int length = ReadStatus(status);
        if (Kibibytes(status.AsSpan(0, length), "VmRSS:"u8) is { } resident)
        {
            yield return new CounterRow("process", "memory", "residentBytes", resident * 1024);
        }

        if (Kibibytes(status.AsSpan(0, length), "RssAnon:"u8) is { } own)
        {
            yield return new CounterRow("process", "memory", "ownBytes", own * 1024);
        }

        ArrayPool<byte>.Shared.Return(status);
    }

    /// <returns>Bytes that were read; 0 on a machine that has no such file.</returns>
    private static int ReadStatus(Span<byte> status)
    {
        if (!File.Exists(StatusFile))
        {
            return 0;
        }

        using SafeFileHandle file = File.OpenHandle(StatusFile);
        return RandomAccess.Read(file, status, 0);
    }

    /// <summary>The number behind this word; null where there is none.</summary>
    private static ulong? Kibibytes(ReadOnlySpan<byte> status, ReadOnlySpan<byte> word)
    {
        int begin = status.IndexOf(word);
        return begin >= 0 && Utf8Parser.TryParse(status[(begin + word.Length)..].TrimStart("\t "u8), out ulong number, out _) ? number : null;
    }
}
