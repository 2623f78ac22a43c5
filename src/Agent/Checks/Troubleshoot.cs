using System.Text;
using ClusterMesh.Datapath.Mesh.Remote;
using ClusterMesh.Datapath.Mesh.Schema;
using ClusterMesh.Datapath.Mesh.Store;

namespace ClusterMesh.Datapath.Agent.Checks;

/// <summary>
/// Tries the way to other clusters step by step, each step for real: name, TCP, TLS, certificates, clocks, etcd, the cluster's configuration.
/// In the layout of cilium-dbg troubleshoot clustermesh. What only shows in what was synced (overlapping pod CIDRs, masquerading, one-sided
/// services, nodes without an answer) comes behind.
/// </summary>
internal static class Troubleshoot
{
    /// <summary>The oldest etcd that has been tried here.</summary>
    private static readonly Version s_oldest = new(3, 4);

    public static async Task<IReadOnlyList<string>> RunAsync(AgentRuntime agent, string? only, TimeProvider time, CancellationToken cancellation)
    {
        RemoteFile[] files = [.. agent.Remotes.Files.Where(f => only is null || f.Name == only)];
        List<string> lines = [$"Found {files.Length} cluster configurations"];
        foreach (RemoteFile file in files)
        {
            lines.Add("");
            lines.Add($"Cluster \"{file.Name}\":");
            lines.Add($"📄 Configuration path: {file.Path}");
            EtcdSettings settings = file.SettingsWith(agent.Settings.HostAliases);
            lines.Add("");
            lines.Add("🔌 Endpoints:");
            foreach (Uri endpoint in settings.Endpoints)
            {
                lines.Add($"   - {endpoint.GetLeftPart(UriPartial.Authority)}");
                lines.AddRange((await new EndpointProbe(endpoint, settings, time).RunAsync(cancellation)).Select(l => $"     {l}"));
            }

            lines.Add("");
            lines.Add("🔑 Digital certificates:");
            lines.AddRange(CertificateChecks.Show(settings, time.GetUtcNow()).Select(l => $"   {l}"));
            lines.Add("");
            lines.Add("⚙️ Etcd client:");
            await TryEtcdAsync(agent, file.Name, settings, lines, cancellation);
            if (agent.Remotes.Status.FirstOrDefault(s => s.Name == file.Name) is RemoteStatus status)
            {
                if (status.Problem is string problem)
                {
                    lines.Add($"   ❌ {problem}");
                }

                if (status.RefusedCount > 0)
                {
                    lines.Add($"   ⚠️ {status.RefusedCount} records were ignored, the last: {status.LastRefusal}");
                }
            }
        }

        lines.AddRange(agent.Warnings.Concat(agent.PeerWarnings()).Select(w => $"⚠️ {w}"));
        lines.AddRange(agent.PeerHints().Select(h => $"ℹ️ {h}"));
        return lines;
    }

    internal static IEnumerable<string> OldVersion(string version) => Version.TryParse(version, out Version? parsed) && parsed < s_oldest
        ? [$"⚠️ etcd {version} is older than {s_oldest}, the oldest that this was tried with"]
        : [];

    private static async Task TryEtcdAsync(AgentRuntime agent, string cluster, EtcdSettings settings, List<string> lines, CancellationToken cancellation)
    {
        await using EtcdStore store = new(settings with { Timeout = EndpointProbe.Limit });
        try
        {
            // The heartbeat is what every role may read; the server's version it need not tell.
            StoreEntry? beat = await store.GetAsync(MeshKeys.Heartbeat, cancellation);
            lines.Add("   ✅ Etcd connection successfully established");
            lines.Add($"   ℹ️ Etcd cluster ID: {store.ClusterId:x}");
            if (!agent.Settings.Kvstoremesh && agent.Store is EtcdStore own && own.ClusterId == store.ClusterId)
            {
                lines.Add($"   ❌ This is the etcd of cluster {agent.Settings.Cluster} itself; look at the endpoint's address and name");
            }

            lines.Add(beat is null
                ? "   ⚠️ There is no heartbeat: no agent publishes there"
                : $"   ✅ Heartbeat of {Encoding.UTF8.GetString(beat.Value.Value.Span[..Math.Min(64, beat.Value.Value.Length)])}");
            await TryConfigAsync(agent, cluster, store, lines, cancellation);
            string version = await store.GetVersionAsync(cancellation);
            lines.Add($"   ℹ️ Etcd server version: {version}");
            lines.AddRange(OldVersion(version).Select(w => $"   {w}"));
        }
        catch (StoreException fault) when (store.ClusterId != 0)
        {
            lines.Add($"   ℹ️ Etcd server version: not told ({fault.Message})");
        }
        catch (StoreException fault)
        {
            lines.Add($"   ❌ Failed to establish etcd connection: {fault.Message}");
        }
    }

    private static async Task TryConfigAsync(AgentRuntime agent, string cluster, EtcdStore store, List<string> lines, CancellationToken cancellation)
    {
        try
        {
            StoreEntry? entry = await store.GetAsync(MeshKeys.ClusterConfig(cluster), cancellation);
            string mistake = "";
            lines.Add(entry is null ? $"   ❌ Cluster configuration not found; is '{cluster}' the name that the cluster itself uses, is this its etcd, and has its agent published?"
                : !ClusterConfig.TryRead(entry.Value.Value.Span, out ClusterConfig config, out mistake) ? $"   ❌ Cluster configuration cannot be read: {mistake}"
                : config.Id == agent.Settings.ClusterId ? $"   ❌ clusterID {config.Id} is assigned to the local cluster"
                : config.Check(agent.Settings.MaxConnectedClusters) is string refusal ? $"   ❌ {refusal}"
                : $"   ✅ Cluster configuration found: cluster id {config.Id}");
        }
        catch (StoreException fault) when (fault.Fault == StoreFault.Denied)
        {
            lines.Add($"   ❌ Cluster configuration may not be read: {fault.Message}");
        }
    }
}
