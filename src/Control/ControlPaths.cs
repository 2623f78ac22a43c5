namespace ClusterMesh.Datapath.Control;

/// <summary>Where nodes have their sockets unless they were told otherwise.</summary>
public static class ControlPaths
{
    private const string SocketName = "control.sock";

    /// <summary>CMESH_RUN_DIR, or /run/cmesh.</summary>
    public static string RunDirectory =>
        Environment.GetEnvironmentVariable("CMESH_RUN_DIR") is { Length: > 0 } directory ? directory : "/run/cmesh";

    public static string SocketOf(string cluster, string node) => Path.Combine(RunDirectory, $"{cluster}-{node}", SocketName);

    /// <summary>Where a forwarder gives its flow events: beside its control socket, events.sock for control.sock and NAME.events for any other.</summary>
    public static string EventsBeside(string controlSocket) => Path.GetFileName(controlSocket) == SocketName
        ? Path.Combine(Path.GetDirectoryName(controlSocket) ?? "", "events.sock")
        : controlSocket + ".events";

    /// <summary>Sockets below the run directory in the order of their names; nobody need answer on them.</summary>
    public static IReadOnlyList<string> Discover(string? runDirectory = null)
    {
        DirectoryInfo root = new(runDirectory ?? RunDirectory);
        if (!root.Exists)
        {
            return [];
        }

        EnumerationOptions readable = new() { IgnoreInaccessible = true };
        return [.. root.EnumerateDirectories("*", readable)
            .Select(directory => Path.Combine(directory.FullName, SocketName))
            .Where(File.Exists)
            .Order(StringComparer.Ordinal)];
    }

    /// <summary>The name by which a person picks a node: west-west-worker for /run/cmesh/west-west-worker/control.sock.</summary>
    public static string NodeOf(string socketPath) => Path.GetFileName(Path.GetDirectoryName(Path.GetFullPath(socketPath))) ?? socketPath;
}
