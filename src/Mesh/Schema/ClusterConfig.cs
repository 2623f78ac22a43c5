namespace ClusterMesh.Datapath.Mesh.Schema;

/// <summary>What a cluster says of itself, first of all (CiliumClusterConfig).</summary>
/// <param name="SyncedCanaries">A prefix may be read only once its canary is there.</param>
/// <param name="MaxConnectedClusters">255 or 511; 0 when the writer does not say.</param>
/// <param name="ServiceExportsEnabled">MCS-API: on, off, or null when the writer does not know it.</param>
/// <param name="Cached">The records are copies, below the <c>cache</c> prefixes.</param>
public sealed record ClusterConfig(uint Id, bool SyncedCanaries = true, int MaxConnectedClusters = 255, bool? ServiceExportsEnabled = false, bool Cached = false)
{
    /// <param name="mistake">One sentence, when false is returned.</param>
    public static bool TryRead(ReadOnlySpan<byte> json, out ClusterConfig config, out string mistake)
    {
        config = new ClusterConfig(0);
        if (!SchemaJson.TryRead(json, SchemaJson.Default.RawClusterConfig, out RawClusterConfig? raw, out mistake))
        {
            return false;
        }

        RawCapabilities capabilities = raw.Capabilities ?? new RawCapabilities();
        config = new ClusterConfig(
            raw.Id ?? 0, capabilities.SyncedCanaries ?? false, capabilities.MaxConnectedClusters ?? 0, capabilities.ServiceExportsEnabled, capabilities.Cached ?? false);
        return true;
    }

    /// <summary>
    /// One sentence, or null when a mesh of this size can connect to the cluster. Cilium's agent lets a cluster of 511 into a mesh of 255;
    /// their identities would overlap, so both ways are refused here.
    /// </summary>
    public string? Check(int maxConnected) =>
        ClusterRules.CheckId(Id, maxConnected)
        ?? (MaxConnectedClusters is 0 or ClusterRules.DefaultMaxConnected && maxConnected == ClusterRules.DefaultMaxConnected || MaxConnectedClusters == maxConnected
            ? null
            : $"its maxConnectedClusters is {MaxConnectedClusters}, ours is {maxConnected}; install both clusters with the same");

    public byte[] Write()
    {
        GoJsonWriter json = new GoJsonWriter().Begin().Name("id").Number(Id).Name("capabilities").Begin();
        Set(json, "syncedCanaries", SyncedCanaries);
        Set(json, "cached", Cached);
        if (MaxConnectedClusters != 0)
        {
            json.Name("maxConnectedClusters").Number(MaxConnectedClusters);
        }

        if (ServiceExportsEnabled is bool exports)
        {
            json.Name("serviceExportsEnabled").Flag(exports);
        }

        return json.End().End().ToUtf8();
    }

    /// <summary>A flag that is off is left out, as Go does with omitempty.</summary>
    private static void Set(GoJsonWriter json, string name, bool value)
    {
        if (value)
        {
            json.Name(name).Flag(true);
        }
    }
}
