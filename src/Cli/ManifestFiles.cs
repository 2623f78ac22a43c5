using System.Text.RegularExpressions;
using ClusterMesh.Datapath.Control;
using ClusterMesh.Datapath.Control.Agent;

namespace ClusterMesh.Datapath.Cli;

/// <summary>Tells Kubernetes manifests, which are for the agent, from changes of a forwarder: they say of what kind they are.</summary>
internal static partial class ManifestFiles
{
    private const long LengthLimit = 64 * 1024 * 1024;

    /// <summary>Null when any of the files is none, or cannot be read: who reads changes says why.</summary>
    public static IReadOnlyList<ManifestFile>? Read(IReadOnlyList<string> paths, TextReader input)
    {
        List<ManifestFile> files = [];
        foreach (string path in paths)
        {
            if (path == "-" || !File.Exists(path) || new FileInfo(path).Length > LengthLimit)
            {
                return null;
            }

            string text = File.ReadAllText(path);
            if (!Kind().IsMatch(text))
            {
                return files.Count == 0 ? null : throw new ControlException(ErrorCode.InvalidParams, $"{path}: this is no manifest, the files before it are; apply them apart");
            }

            files.Add(new ManifestFile(path, text));
        }

        return files;
    }

    [GeneratedRegex("""(?m)^(?:kind:|apiVersion:|\s*\{\s*"(?:kind|apiVersion)")""")]
    private static partial Regex Kind();
}
