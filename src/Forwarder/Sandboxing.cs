using System.Globalization;
using ClusterMesh.Datapath.Io;
using ClusterMesh.Datapath.State;

namespace ClusterMesh.Datapath.Forwarder;

/// <summary>How this program comes into its sandbox, and what it starts beside it.</summary>
internal static class Sandboxing
{
    /// <summary>Read by the runtime when it starts, in hexadecimal.</summary>
    private const string HeapLimit = "DOTNET_GCHeapHardLimit";

    /// <summary>mallopt(3). Each thread that compiles would have an arena of its own, which keeps for good what it once took: some MB each.</summary>
    private const string ArenaLimit = "MALLOC_ARENA_MAX";

    private const string UserFile = "/etc/passwd";

    /// <summary>Does not return where the program is to be sandboxed and is not yet.</summary>
    /// <param name="arguments">The command line, to be told again.</param>
    /// <param name="heapLimit">The most that the collected heap may take; null for the runtime's own choice.</param>
    /// <exception cref="ConfigurationException">There is no such user.</exception>
    /// <exception cref="DeviceException">The sandbox cannot be had.</exception>
    public static void Enter(ForwarderOptions options, string[] arguments, long? heapLimit)
    {
        if (options is { IsSandboxed: true, CheckOnly: false } && !Sandbox.IsInside)
        {
            if (heapLimit is { } bytes && Environment.GetEnvironmentVariable(HeapLimit) is null)
            {
                Environment.SetEnvironmentVariable(HeapLimit, bytes.ToString("X", CultureInfo.InvariantCulture));
            }

            if (Environment.GetEnvironmentVariable(ArenaLimit) is null)
            {
                Environment.SetEnvironmentVariable(ArenaLimit, "1");
            }

            var again = OwnProgram.Start(arguments);
            Sandbox.Enter(OwnProgram.StartWithStreams("--opener"), UserOf(options.User), again.FileName, [.. again.ArgumentList]);
        }
    }

    /// <summary>Any other program with the rights of a sandboxed forwarder: to see what they are.</summary>
    public static void Try(string program, string[] arguments)
    {
        string[] places = program.Contains('/', StringComparison.Ordinal) ? [program]
            : [.. (Environment.GetEnvironmentVariable("PATH") ?? "").Split(':').Select(d => Path.Combine(d, program))];
        Sandbox.Enter(null, null, places.FirstOrDefault(File.Exists) ?? program, arguments);
    }

    /// <summary>From passwd(5) alone: a directory service's users are given by number, and have the group of the same number.</summary>
    private static (uint User, uint Group)? UserOf(string? user)
    {
        if (user is null)
        {
            return null;
        }

        string[]? fields = File.ReadLines(UserFile).Select(l => l.Split(':')).FirstOrDefault(f => f.Length > 3 && (f[0] == user || f[2] == user));
        if (fields is not null)
        {
            return (uint.Parse(fields[2], CultureInfo.InvariantCulture), uint.Parse(fields[3], CultureInfo.InvariantCulture));
        }

        return uint.TryParse(user, NumberStyles.None, CultureInfo.InvariantCulture, out uint number)
            ? (number, number)
            : throw new ConfigurationException($"--user: there is no user '{user}' in {UserFile}; make it (useradd --system {user}) or give a number");
    }
}
