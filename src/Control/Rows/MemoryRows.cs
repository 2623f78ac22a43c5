using System.Globalization;

namespace ClusterMesh.Datapath.Control.Rows;

/// <summary>
/// What this process takes of memory, as counters: from the kernel (<c>process</c>: proc(5), VmRSS and RssAnon of status) and from the garbage collector
/// (<c>heap</c>). Reading it collects nothing. <c>aliveBytes</c> is what the last collection of the whole heap left, without gaps: that it grows is a leak;
/// that <c>ownBytes</c> grows and it does not is room that the runtime keeps.
/// </summary>
public static class MemoryRows
{
    private const string StatusFile = "/proc/self/status";

    public static IEnumerable<CounterRow> Read()
    {
        GCMemoryInfo last = GC.GetGCMemoryInfo(GCKind.Any);
        GCMemoryInfo blocking = GC.GetGCMemoryInfo(GCKind.FullBlocking);
        GCMemoryInfo background = GC.GetGCMemoryInfo(GCKind.Background);
        GCMemoryInfo whole = background.Index > blocking.Index ? background : blocking;
        yield return new CounterRow("heap", "last", "bytes", (ulong)last.HeapSizeBytes);
        yield return new CounterRow("heap", "last", "committedBytes", (ulong)last.TotalCommittedBytes);
        yield return new CounterRow("heap", "whole", "aliveBytes", (ulong)Math.Max(0, whole.HeapSizeBytes - whole.FragmentedBytes));
        yield return new CounterRow("heap", "all", "allocatedBytes", (ulong)GC.GetTotalAllocatedBytes());
        yield return new CounterRow("heap", "all", "pauseNanoseconds", (ulong)GC.GetTotalPauseDuration().TotalNanoseconds);
        for (int generation = 0; generation <= GC.MaxGeneration; generation++)
        {
            yield return new CounterRow("heap", $"gen{generation}", "collections", (ulong)GC.CollectionCount(generation));
        }

        foreach (string line in File.Exists(StatusFile) ? File.ReadAllLines(StatusFile) : [])
        {
            string[] parts = line.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries);
            if (parts is ["VmRSS:", string resident, ..])
            {
                yield return new CounterRow("process", "memory", "residentBytes", Kibibytes(resident));
            }
            else if (parts is ["RssAnon:", string own, ..])
            {
                yield return new CounterRow("process", "memory", "ownBytes", Kibibytes(own));
            }
        }
    }

    private static ulong Kibibytes(string text) => ulong.Parse(text, NumberStyles.None, CultureInfo.InvariantCulture) * 1024;
}
