using ClusterMesh.Datapath.Mesh.Store;

namespace ClusterMesh.Datapath.Mesh.Remote;

/// <summary>One cluster's file of the remote directory.</summary>
/// <param name="Hash">SHA-256 of the content: another one means another connection.</param>
public sealed record RemoteFile(string Name, string Path, string Hash, EtcdSettings Settings)
{
    /// <summary>With the agent's host aliases; the file's own go before.</summary>
    public EtcdSettings SettingsWith(IReadOnlyDictionary<string, System.Net.IPAddress> aliases) => Settings with
    {
        HostAliases = aliases.Concat(Settings.HostAliases).GroupBy(a => a.Key).ToDictionary(a => a.Key, a => a.Last().Value),
    };
}
