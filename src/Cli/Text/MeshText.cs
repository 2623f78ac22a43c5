using System.Globalization;
using ClusterMesh.Datapath.Control.Agent;

namespace ClusterMesh.Datapath.Cli.Text;

/// <summary>The mesh as Cilium's tools show it: the block of <c>status --verbose</c>, and the page of <c>clustermesh status</c>.</summary>
internal static class MeshText
{
    /// <summary>1/1 remote clusters ready, 0 global-services.</summary>
    public static string Summary(AgentStatus agent) =>
        $"{agent.Clusters.Count(c => c.Ready)}/{agent.Clusters.Count} remote clusters ready, {agent.GlobalServices} global-services";

    /// <summary>One block a remote cluster; the last line of each, the age of its data, Cilium does not have.</summary>
    public static IEnumerable<string> Clusters(AgentStatus agent, DateTimeOffset now)
    {
        foreach (RemoteClusterRow c in agent.Clusters)
        {
            string last = c.LastFailure is DateTimeOffset failed ? $"{StatusText.Duration((long)(now - failed).TotalSeconds)} ago" : "never";
            yield return $"   {c.Name}: {(c.Ready ? "ready" : "not-ready")}, {c.Nodes} nodes, {c.Endpoints} endpoints, {c.Identities} identities, {c.Services} services, 0 MCS-API service exports, {c.Failures} reconnections (last: {last})";
            yield return c.Connected
                ? $"   └  etcd: 1/1 connected, leases=0, lock leases=0, has-quorum=true: endpoint status checks are disabled, ID: {c.EtcdClusterId.TrimStart('0')}"
                : $"   └  {c.Problem ?? "not connected"}";
            yield return c.ConfigRetrieved
                ? $"   └  remote configuration: expected=true, retrieved=true, cluster-id={c.ClusterId}, kvstoremesh={Flag(c.Kvstoremesh)}, sync-canaries={Flag(c.SyncCanaries)}, service-exports={c.ServiceExports}"
                : "   └  remote configuration: expected=true, retrieved=false";
            yield return $"   └  synchronization status: nodes={Flag(c.NodesSynced)}, endpoints={Flag(c.EndpointsSynced)}, identities={Flag(c.IdentitiesSynced)}, services={Flag(c.ServicesSynced)}";
            yield return $"   └  data: last heard {(c.DataAgeSeconds is double age ? $"{StatusText.Duration((long)age)} ago" : "never")}{(c.RefusedRecords > 0 ? $", {c.RefusedRecords} records ignored{(c.LastRefusal is null ? "" : $" (the last: {c.LastRefusal})")}" : "")}{(c is { Connected: true, Problem: string problem } ? $"; {problem}" : "")}";
        }

        foreach (string warning in agent.Warnings)
        {
            yield return $"   Warning: {warning}";
        }
    }

    /// <summary>True when every agent is connected to all its clusters, and others can connect to this one.</summary>
    public static bool IsConnected(IReadOnlyList<AgentStatus> agents) => agents.All(a => a.Clusters.All(c => c.Ready)) && StoreProblem(agents) is null;

    /// <summary>What is not there yet, in a word.</summary>
    public static string Awaited(IReadOnlyList<AgentStatus> agents) => StoreProblem(agents) is string problem
        ? $"for deployment clustermesh-apiserver to become ready: {problem}"
        : $"for clusters to be connected: {agents.Count(a => a.Clusters.Any(c => !c.Ready))} nodes are not ready";

    /// <param name="endpoint">Address and port for other clusters: 172.18.0.4:32379; null when the cluster is not enabled.</param>
    /// <param name="problem">Why there is no endpoint.</param>
    public static IEnumerable<string> Page(IReadOnlyList<AgentStatus> agents, string? endpoint, string? problem)
    {
        if (endpoint is not null)
        {
            yield return $"✅ Service \"clustermesh-apiserver\" of type \"{(int.Parse(endpoint[(endpoint.LastIndexOf(':') + 1)..], CultureInfo.InvariantCulture) is >= 30000 and <= 32767 ? "NodePort" : "ClusterIP")}\" found";
            yield return "✅ Cluster access information is available:";
            yield return $"  - {endpoint}";
        }
        else
        {
            yield return $"❌ Cluster access information is not available: {problem}";
        }

        yield return StoreProblem(agents) is string down
            ? $"❌ Deployment clustermesh-apiserver is not ready: {down}"
            : "✅ Deployment clustermesh-apiserver is ready";
        yield return $"ℹ️  KVStoreMesh is {(agents.Any(a => a.Kvstoremesh) ? "enabled" : "disabled")}";
        int[] ready = [.. agents.Select(a => a.Clusters.Count(c => c.Ready))];
        string spread = Spread(ready);
        int behind = agents.Count(a => a.Clusters.Any(c => !c.Ready));
        string[] names = [.. agents.SelectMany(a => a.Clusters).Select(c => c.Name).Distinct().Order(StringComparer.Ordinal)];
        if (names.Length > 0)
        {
            yield return "";
        }

        if (behind > 0)
        {
            yield return $"⚠️  {behind}/{agents.Count} nodes are not connected to all clusters [{spread}]";
        }
        else if (names.Length > 0)
        {
            yield return $"✅ All {agents.Count} nodes are connected to all clusters [{spread}]";
        }

        yield return "";
        yield return names.Length > 0 ? "🔌 Cluster Connections:" : "🔌 No cluster connected";
        foreach (string name in names)
        {
            RemoteClusterRow[] rows = [.. agents.SelectMany(a => a.Clusters).Where(c => c.Name == name)];
            yield return $"  - {name}: {rows.Length}/{agents.Count} configured, {rows.Count(r => r.Ready)}/{agents.Count} connected";
        }

        yield return "";
        yield return $"🔀 Global services: [ {Spread([.. agents.Select(a => a.GlobalServices)])} ]";
        (string Node, RemoteClusterRow Row)[] errors = [.. agents.SelectMany(a => a.Clusters.Where(c => !c.Ready).Select(c => (a.Node, c)))];
        if (errors.Length > 0)
        {
            yield return "";
            yield return $"❌ {errors.Select(e => e.Node).Distinct().Count()} Errors:";
            foreach ((string node, RemoteClusterRow row) in errors)
            {
                yield return $"  ❌ {node} is not connected to cluster {row.Name}: {row.Problem ?? Waiting(row)}";
                yield return "     💡 Run 'cmesh clustermesh troubleshoot' to investigate the cause";
            }
        }
    }

    /// <summary>Why the etcd that other clusters read is not kept up to date; null when it is. Where it is an etcd of its own, the agent that leads knows.</summary>
    private static string? StoreProblem(IReadOnlyList<AgentStatus> agents) =>
        agents.FirstOrDefault(a => !a.StoreConnected) is AgentStatus lost ? lost.Store
        : agents.All(a => a.MeshStore is null) ? null
        : agents.FirstOrDefault(a => a.IsLeader) is not AgentStatus leader ? "no agent of the cluster leads yet"
        : leader.MeshStoreConnected ? null : leader.MeshStore;

    private static string Waiting(RemoteClusterRow row)
    {
        (string Name, bool Synced)[] kinds = [("endpoints", row.EndpointsSynced), ("identities", row.IdentitiesSynced), ("nodes", row.NodesSynced), ("services", row.ServicesSynced)];
        return $"synchronization in progress for {string.Join(", ", kinds.Where(k => !k.Synced).Select(k => k.Name))}";
    }

    private static string Spread(int[] counts) =>
        string.Create(CultureInfo.InvariantCulture, $"min:{counts.Min()} / avg:{counts.Average():0.0} / max:{counts.Max()}");

    private static string Flag(bool value) => value ? "true" : "false";
}
