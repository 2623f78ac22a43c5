using System.Diagnostics;
using System.Text.Json;

namespace ClusterMesh.Datapath.Testing;

/// <summary>Runs a program to its end; kills it after ten seconds.</summary>
public static class Command
{
    private static readonly TimeSpan s_limit = TimeSpan.FromSeconds(10);

    /// <returns>What it printed.</returns>
    /// <exception cref="InvalidOperationException">The program failed; the message has what it printed.</exception>
    public static string Run(string program, string arguments)
    {
        (int code, string output) = TryRun(program, arguments);
        return code == 0 ? output : throw new InvalidOperationException($"{program} {arguments}: {output}");
    }

    public static (int Code, string Output) TryRun(string program, string arguments)
    {
        using Process process = Start(program, arguments);
        return Finish(process);
    }

    public static JsonElement Json(string program, string arguments) => JsonDocument.Parse(Run(program, arguments)).RootElement;

    public static Process Start(string program, string arguments) => Process.Start(new ProcessStartInfo(program, arguments)
    {
        RedirectStandardOutput = true,
        RedirectStandardError = true,
    })!;

    public static (int Code, string Output) Finish(Process process)
    {
        Task<string> output = process.StandardOutput.ReadToEndAsync();
        Task<string> errors = process.StandardError.ReadToEndAsync();
        if (!process.WaitForExit(s_limit))
        {
            process.Kill(entireProcessTree: true);
            process.WaitForExit();
        }

        return (process.ExitCode, output.Result + errors.Result);
    }
}
