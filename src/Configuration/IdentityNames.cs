using ClusterMesh.Datapath.Pipeline;

namespace ClusterMesh.Datapath.Configuration;

/// <summary>What Cilium calls the parts of an ipcache entry, for lists.</summary>
public static class IdentityNames
{
    private static readonly (string Name, IpcacheFlags Flag)[] s_flags =
    [
        ("skiptunnel", IpcacheFlags.SkipTunnel),
        ("hastunnel", IpcacheFlags.HasTunnel),
        ("ipv6tunnel", IpcacheFlags.Ipv6Tunnel),
        ("remotecluster", IpcacheFlags.RemoteCluster),
    ];

    public static IEnumerable<string> Of(IpcacheFlags flags) => s_flags.Where(f => (flags & f.Flag) != 0).Select(f => f.Name);

    public static bool TryParse(string? name, out IpcacheFlags flag)
    {
        int found = Array.FindIndex(s_flags, f => f.Name == name);
        flag = found < 0 ? IpcacheFlags.None : s_flags[found].Flag;
        return found >= 0;
    }
}
