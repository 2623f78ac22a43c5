namespace ClusterMesh.Datapath.Replay;

/// <summary>How ports are named in messages and in the names of files.</summary>
internal static class PortNames
{
    private const int ListedCount = 20;

    /// <summary>Stands for / in a file's name. No port's name contains it, so that no two ports share a file.</summary>
    private const char Separator = '+';

    /// <summary>All of them, as far as a sentence can bear.</summary>
    public static string Listed(IReadOnlyList<string> ports) => ports.Count == 0
        ? "none"
        : string.Join(", ", ports.Take(ListedCount)) + (ports.Count > ListedCount ? $" and {ports.Count - ListedCount} more" : "");

    /// <summary>default+curl-pod.pcap</summary>
    public static string FileOf(string port) => $"{port.Replace('/', Separator)}.pcap";

    /// <summary>The port that <see cref="FileOf"/> would give this file's name, whatever its directory and extension.</summary>
    public static string OfFile(string path) => Path.GetFileNameWithoutExtension(path).Replace(Separator, '/');
}
