using System.Diagnostics;

namespace ClusterMesh.Datapath.Forwarder;

/// <summary>This program once more, for what it cannot do in its own process.</summary>
internal static class OwnProgram
{
    /// <summary>It writes where we write.</summary>
    public static ProcessStartInfo StartWithStreams(params IEnumerable<string> arguments)
    {
        ProcessStartInfo start = Start(arguments);
        return new ProcessStartInfo(start.FileName, [.. start.ArgumentList]);
    }

    /// <summary>Its streams are not ours: whoever waits for the end of ours must not wait for its.</summary>
    public static ProcessStartInfo Start(params IEnumerable<string> arguments)
    {
        string program = Environment.ProcessPath!;
        string[] own = Path.GetFileNameWithoutExtension(program) == "dotnet" ? [Environment.GetCommandLineArgs()[0]] : [];
        return new ProcessStartInfo(program, [.. own, .. arguments])
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
    }
}
