using System.Diagnostics;
using System.Globalization;
using Microsoft.Diagnostics.Runtime;

namespace ClusterMesh.Datapath.Forwarder.Watching;

/// <summary>
/// The managed stack of one thread of a process, innermost method first, on one line. A process cannot look at its own threads so; this program is
/// started once more for it (<c>--stack-of PID THREAD</c>). The process is held for some 0.3 s if the thread runs; a thread that waits is seen without.
/// </summary>
internal static class ThreadStack
{
    private const int MostFrames = 32;
    private static readonly TimeSpan s_limit = TimeSpan.FromSeconds(15);

    /// <summary>In the process that was started for it.</summary>
    /// <exception cref="InvalidOperationException">It cannot be seen; the message is a sentence.</exception>
    public static string Read(int process, uint thread)
    {
        try
        {
            string stack = Read(process, thread, isHeld: false);
            return stack.Length > 0 ? stack : Read(process, thread, isHeld: true);
        }
        catch (Exception e) when (e is ClrDiagnosticsException or IOException or ArgumentException or NotSupportedException)
        {
            throw new InvalidOperationException($"the stack of thread {thread} of process {process} cannot be seen: {e.Message}", e);
        }
    }

    /// <summary>Has it read of a thread of this process; what it says is part of a sentence, also when it cannot.</summary>
    public static string OfOwn(int thread)
    {
        try
        {
            using Process reader = Process.Start(OwnProgram.Start("--stack-of", Text(Environment.ProcessId), Text(thread)))!;
            Task<string> output = reader.StandardOutput.ReadToEndAsync();
            Task<string> errors = reader.StandardError.ReadToEndAsync();
            if (!reader.WaitForExit(s_limit))
            {
                reader.Kill();
                return $"stack unknown (not read within {s_limit.TotalSeconds} s)";
            }

            return reader.ExitCode == 0 ? $"stack {output.Result.Trim()}" : $"stack unknown ({errors.Result.ReplaceLineEndings(" ").Trim()})";
        }
        catch (Exception e) when (e is System.ComponentModel.Win32Exception or InvalidOperationException)
        {
            return $"stack unknown ({e.Message})";
        }
    }

    private static string Read(int process, uint thread, bool isHeld)
    {
        using DataTarget target = DataTarget.AttachToProcess(process, suspend: isHeld);
        ClrInfo version = target.ClrVersions.FirstOrDefault() ?? throw new ArgumentException("it has no .NET runtime");
        string library = Path.Combine(Path.GetDirectoryName(version.ModuleInfo.FileName)!, "libmscordaccore.so");

        // It lies beside the runtime that it is for; of which version that is cannot be read from all builds of it.
        using ClrRuntime runtime = version.CreateRuntime(library, ignoreMismatch: true);
        ClrThread found = runtime.Threads.FirstOrDefault(t => t.OSThreadId == thread) ?? throw new ArgumentException("it has no such thread");
        return string.Join(" < ", found.EnumerateStackTrace().Where(f => f.Method?.Signature is not null).Take(MostFrames).Select(f => WithoutParameters(f.Method!.Signature!)));
    }

    private static string WithoutParameters(string signature) => signature.Split('(')[0];

    private static string Text(int number) => number.ToString(CultureInfo.InvariantCulture);
}
