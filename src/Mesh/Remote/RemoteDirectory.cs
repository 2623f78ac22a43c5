using System.Security.Cryptography;
using System.Text;
using ClusterMesh.Datapath.Mesh.Schema;
using ClusterMesh.Datapath.Mesh.Store;

namespace ClusterMesh.Datapath.Mesh.Remote;

/// <summary>
/// The directory with one etcd client file per remote cluster; the file's name is the cluster's. A file counts when it contains
/// <c>endpoints:</c>; directories are passed over, so that the <c>..data</c> of a mounted secret may lie there.
/// </summary>
public static class RemoteDirectory
{
    /// <summary>Where Cilium has it.</summary>
    public const string DefaultPath = "/var/lib/cilium/clustermesh";

    private const long LengthLimit = 64 * 1024;

    /// <summary>What the directory says now; none when it is not there.</summary>
    /// <param name="mistakes">One sentence each for a file that looks like a cluster's and cannot be one.</param>
    public static IReadOnlyDictionary<string, RemoteFile> Read(string directory, string localName, out IReadOnlyList<string> mistakes)
    {
        SortedDictionary<string, RemoteFile> found = new(StringComparer.Ordinal);
        List<string> wrong = [];
        mistakes = wrong;
        foreach (string path in FilesIn(directory, wrong))
        {
            string name = Path.GetFileName(path);
            if (ReadText(path, wrong) is not string text || !text.Contains("endpoints:", StringComparison.Ordinal) || name == localName)
            {
                continue;
            }

            string? mistake = ClusterRules.CheckName(name);
            EtcdSettings? settings = mistake is null ? EtcdClientFile.Parse(text, out mistake) : null;
            if (settings is null)
            {
                wrong.Add($"{path}: {mistake}");
                continue;
            }

            found[name] = new RemoteFile(name, path, Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(text))), settings);
        }

        return found;
    }

    private static IEnumerable<string> FilesIn(string directory, List<string> wrong)
    {
        try
        {
            // A link counts by what it leads to.
            return [.. Directory.EnumerateFileSystemEntries(directory).Where(path => !Directory.Exists(path)).Order(StringComparer.Ordinal)];
        }
        catch (DirectoryNotFoundException)
        {
            return [];
        }
        catch (Exception fault) when (fault is IOException or UnauthorizedAccessException)
        {
            wrong.Add($"{directory}: the directory cannot be read ({fault.Message.TrimEnd('.')})");
            return [];
        }
    }

    private static string? ReadText(string path, List<string> wrong)
    {
        try
        {
            FileInfo file = new(path);
            FileInfo target = file.ResolveLinkTarget(returnFinalTarget: true) as FileInfo ?? file;
            if (target.Exists && target.Length <= LengthLimit && target.UnixFileMode != default && !target.Attributes.HasFlag(FileAttributes.Device))
            {
                return File.ReadAllText(path);
            }
        }
        catch (FileNotFoundException)
        {
            // Gone between the listing and now, or a link to nowhere.
        }
        catch (Exception fault) when (fault is IOException or UnauthorizedAccessException)
        {
            wrong.Add($"{path}: the file cannot be read ({fault.Message.TrimEnd('.')})");
        }

        return null;
    }
}
