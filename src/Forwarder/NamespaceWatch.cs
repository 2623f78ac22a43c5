namespace ClusterMesh.Datapath.Forwarder;

/// <summary>
/// Tells when a namespace's name goes. The forwarder's open TAP keeps the namespace itself alive behind the name, so the device
/// alone would never report it: a pod that was taken away would look up for ever.
/// </summary>
internal sealed class NamespaceWatch(Action<string> onGone) : IDisposable
{
    private const string NamespaceDirectory = "/run/netns";
    private readonly Dictionary<string, FileSystemWatcher> _watchers = [];

    /// <summary>Watches the directory of a namespace, given by name under /run/netns or by path.</summary>
    public void Add(string ns)
    {
        string directory = Path.GetDirectoryName(PathOf(ns)) ?? "/";
        if (_watchers.ContainsKey(directory) || !Directory.Exists(directory))
        {
            return;
        }

        var watcher = new FileSystemWatcher(directory) { NotifyFilter = NotifyFilters.FileName };
        watcher.Deleted += (_, e) => onGone(e.FullPath);
        watcher.Error += (_, e) => Log.Write($"watching {directory}: {e.GetException().Message}; a namespace deleted meanwhile may still look up");
        try
        {
            watcher.EnableRaisingEvents = true;
            _watchers[directory] = watcher;
        }
        catch (IOException e)
        {
            // Out of inotify instances, most likely: forwarding does not depend on it.
            watcher.Dispose();
            Log.Write($"{directory} cannot be watched ({e.Message}); a deleted namespace will not take its port down");
        }
    }

    public static string PathOf(string ns) => Path.IsPathRooted(ns) ? ns : Path.Combine(NamespaceDirectory, ns);

    public void Dispose()
    {
        foreach (FileSystemWatcher watcher in _watchers.Values)
        {
            watcher.Dispose();
        }
    }
}
