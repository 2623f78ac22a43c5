using System.ComponentModel;
using System.Diagnostics;

namespace ClusterMesh.Datapath.Cli.Sysdump;

/// <summary>What the machine and the namespaces of the nodes are like. Reads only.</summary>
internal static class KernelFacts
{
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(5);

    /// <summary>Files of /proc that say what the machine is, and nothing of what runs on it.</summary>
    private static readonly string[] s_files =
    [
        "/proc/version", "/proc/cpuinfo", "/proc/meminfo", "/proc/loadavg", "/proc/uptime", "/proc/sys/kernel/io_uring_disabled", "/proc/sys/net/ipv4/ip_forward",
        "/proc/sys/net/ipv6/conf/all/disable_ipv6", "/etc/os-release",
    ];

    private static readonly string[] s_questions = ["-s -d addr show", "route show table all", "-6 route show table all", "neigh show", "rule show"];

    public static void AddMachine(SysdumpArchive archive)
    {
        foreach (string file in s_files)
        {
            try
            {
                archive.Add($"kernel{file}", File.ReadAllText(file));
            }
            catch (Exception fault) when (fault is IOException or UnauthorizedAccessException)
            {
                archive.Miss($"kernel{file}", fault.Message);
            }
        }
    }

    public static async Task AddNamespaceAsync(SysdumpArchive archive, string directory, string ns, CancellationToken cancellation)
    {
        foreach (string question in s_questions)
        {
            string path = $"{directory}/namespaces/{ns.Trim('/').Replace('/', '_')}/ip-{question.Replace(" ", "-", StringComparison.Ordinal).Replace("--", "-", StringComparison.Ordinal).Trim('-')}.txt";
            try
            {
                archive.Add(path, await RunAsync(ns.Contains('/', StringComparison.Ordinal) ? $"--net={ns} ip {question}" : "", ns, question, cancellation));
            }
            catch (Exception fault) when (fault is Win32Exception or IOException or InvalidOperationException or OperationCanceledException)
            {
                archive.Miss(path, fault is OperationCanceledException ? "the ip command did not end in time" : fault.Message);
                cancellation.ThrowIfCancellationRequested();
            }
        }
    }

    /// <summary>A namespace has a name below /run/netns, or is a path.</summary>
    private static async Task<string> RunAsync(string enter, string ns, string question, CancellationToken cancellation)
    {
        var start = new ProcessStartInfo(enter.Length > 0 ? "nsenter" : "ip", enter.Length > 0 ? enter : $"-n {ns} {question}") { RedirectStandardOutput = true, RedirectStandardError = true };
        using Process process = Process.Start(start) ?? throw new InvalidOperationException("ip could not be started");
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        limit.CancelAfter(s_patience);
        try
        {
            Task<string> errors = process.StandardError.ReadToEndAsync(limit.Token);
            string output = await process.StandardOutput.ReadToEndAsync(limit.Token);
            await process.WaitForExitAsync(limit.Token);
            return process.ExitCode == 0 ? output : throw new InvalidOperationException($"ip {question}: {(await errors).Trim()}");
        }
        catch (OperationCanceledException)
        {
            process.Kill();
            throw;
        }
    }
}
