using System.Buffers.Text;
using System.Globalization;
using Microsoft.Win32.SafeHandles;

namespace ClusterMesh.Datapath.Forwarder.Listing;

/// <summary>Processor time of the workers' threads, as the kernel has it (/proc/self/task/TID/schedstat): asking costs the workers nothing.</summary>
internal static class WorkerTimes
{
    /// <summary>Nanoseconds on a processor since the thread began; null where the kernel does not say.</summary>
    /// <param name="thread">The kernel's number of it.</param>
    public static ulong? BusyOf(int thread)
    {
        try
        {
            using SafeFileHandle file = File.OpenHandle(string.Create(CultureInfo.InvariantCulture, $"/proc/self/task/{thread}/schedstat"));
            Span<byte> text = stackalloc byte[64];
            return Utf8Parser.TryParse(text[..RandomAccess.Read(file, text, 0)], out ulong busy, out _) ? busy : null;
        }
        catch (Exception fault) when (fault is IOException or UnauthorizedAccessException)
        {
            return null; // The thread has ended, or a kernel without these figures.
        }
    }
}
