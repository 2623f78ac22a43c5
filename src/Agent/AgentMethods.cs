using System.Text.Json;
using ClusterMesh.Datapath.Agent.Checks;
using ClusterMesh.Datapath.Control;
using ClusterMesh.Datapath.Control.Agent;
using ClusterMesh.Datapath.Control.Messages;
using ClusterMesh.Datapath.Mesh.Objects;
using ClusterMesh.Datapath.Mesh.Remote;
using ClusterMesh.Datapath.Mesh.Services;
using ClusterMesh.Datapath.Mesh.Store;
using ClusterMesh.Datapath.State;

namespace ClusterMesh.Datapath.Agent;

/// <summary>What an agent's control socket can be asked.</summary>
internal static class AgentMethods
{
    private const int MostWarnings = 100;
    private const string EndpointsKind = "endpoints";

    public static void Map(ControlServer server, AgentRuntime agent)
    {
        server.Map("status", ControlRole.Reader, ControlJson.Default.NoContent, AgentJson.Default.AgentStatus, (_, _) => new(Status(agent)));
        server.Map("health", ControlRole.Reader, ControlJson.Default.NoContent, AgentJson.Default.HealthResult, (_, _) => new(agent.Health?.Result ?? new HealthResult(false, 0, null, [])));
        server.Map("apply", ControlRole.Admin, AgentJson.Default.ManifestRequest, AgentJson.Default.ManifestResult, (r, c) => Guard(() => ApplyAsync(agent, r, c)));
        server.Map("get", ControlRole.Reader, AgentJson.Default.ObjectRequest, AgentJson.Default.ObjectResult, (r, c) => Guard(() => GetAsync(agent, r, c)));
        server.Map("delete", ControlRole.Admin, AgentJson.Default.ObjectRequest, AgentJson.Default.ManifestResult, (r, c) => Guard(() => DeleteAsync(agent, r, c)));
        server.Map("deleteFiles", ControlRole.Admin, AgentJson.Default.ManifestRequest, AgentJson.Default.ManifestResult, (r, c) => Guard(() => DeleteFilesAsync(agent, r, c)));
        server.Map("annotate", ControlRole.Admin, AgentJson.Default.AnnotateRequest, AgentJson.Default.ManifestResult, (r, c) => Guard(() => AnnotateAsync(agent, r, c)));
        server.Map("scale", ControlRole.Admin, AgentJson.Default.ScaleRequest, AgentJson.Default.ManifestResult, (r, c) => Guard(() => ScaleAsync(agent, r, c)));
    }

    /// <summary>The methods of <c>cmesh clustermesh</c>.</summary>
    public static void MapAccess(ControlServer server, AgentRuntime agent, MeshAccess access)
    {
        server.Map("enable", ControlRole.Admin, AgentJson.Default.EnableRequest, AgentJson.Default.EnableResult, (r, c) => Guard(() => EnableAsync(agent, access, r, c)));
        server.Map("access", ControlRole.Admin, ControlJson.Default.NoContent, AgentJson.Default.AccessDocument, (_, _) => new(access.Access()));
        server.Map("connect", ControlRole.Admin, AgentJson.Default.AccessDocument, AgentJson.Default.TextResult, (r, _) => new(access.Connect(r)));
        server.Map("disconnect", ControlRole.Admin, AgentJson.Default.ClusterRequest, AgentJson.Default.TextResult, (r, _) => new(access.Disconnect(r)));
        server.Map("troubleshoot", ControlRole.Reader, AgentJson.Default.ClusterRequest, AgentJson.Default.TextResult,
            async (r, c) => new TextResult(await Troubleshoot.RunAsync(agent, r.Cluster, TimeProvider.System, c)));
    }

    /// <summary>Certificates first: what is applied then starts with them.</summary>
    private static async Task<EnableResult> EnableAsync(AgentRuntime agent, MeshAccess access, EnableRequest request, CancellationToken cancellation)
    {
        ManifestFile[] manifests = [.. agent.Settings.Manifests.Select(path => new ManifestFile(path, Configuration.DocumentReader.ReadText(path)))];
        EnableResult made = access.Enable(request);
        if (manifests.Length > 0)
        {
            made = made with { Lines = [.. made.Lines, .. (await ApplyAsync(agent, new ManifestRequest(manifests), cancellation)).Objects.Select(o => $"✨ {o}")] };
        }

        return made with { Lines = [.. made.Lines, .. await UsersAsync(agent, cancellation)] };
    }

    /// <summary>An etcd that takes its users from certificates gets users and roles now; the one that manifests start gets them with the first connection.</summary>
    private static async Task<IEnumerable<string>> UsersAsync(AgentRuntime agent, CancellationToken cancellation)
    {
        if (agent.Etcd is not { CertFile: not null } etcd)
        {
            return [];
        }

        try
        {
            return (await EtcdAccess.EnsureAsync(etcd, agent.Settings.Cluster, TimeProvider.System, cancellation)).Select(l => $"✅ {l}");
        }
        catch (StoreException fault)
        {
            return [$"⚠️ users and roles of the cluster's etcd are not set up: {fault.Message}"];
        }
    }

    private static AgentStatus Status(AgentRuntime agent) => new(
        Program.Version, agent.Settings.Node, agent.Settings.Cluster, agent.Settings.ClusterId, agent.Settings.MaxConnectedClusters,
        agent.Store.Health.Text, agent.Store.Health.IsConnected, agent.IsLeader, agent.Settings.Kvstoremesh,
        agent.Forwarder.Problem ?? agent.Settings.ForwarderSocket, agent.Forwarder.Problem is null, agent.Forwarder.Version,
        agent.GlobalServiceCount, [.. agent.Remotes.Status.Select(s => Row(s))], Shown([.. agent.Warnings, .. agent.Forwarder.Refused, .. agent.PeerWarnings()]))
    {
        MeshStore = agent.MeshEtcd?.Health.Text,
        MeshStoreConnected = agent.MeshEtcd?.Health.IsConnected ?? false,
    };

    /// <summary>A thousand nodes with one mistake need not say it a thousand times.</summary>
    private static IReadOnlyList<string> Shown(IReadOnlyList<string> warnings) => warnings.Count <= MostWarnings
        ? warnings
        : [.. warnings.Take(MostWarnings), $"and {warnings.Count - MostWarnings} more of the kind"];

    private static RemoteClusterRow Row(RemoteStatus s) => new(
        s.Name, s.IsReady, s.IsConnected, s.NodeCount, s.EndpointCount, s.IdentityCount, s.ServiceCount, s.RefusedCount,
        s.Config is not null, s.Config?.Id ?? 0, s.Config?.Cached ?? false, s.Config?.SyncedCanaries ?? false,
        s.Config?.ServiceExportsEnabled switch { null => "unsupported", true => "enabled", false => "disabled" },
        s.EtcdClusterId.ToString("x16"), s.NodesSynced, s.EndpointsSynced, s.IdentitiesSynced, s.ServicesSynced,
        s.FailureCount, s.LastFailure, s.DataAge?.TotalSeconds, s.Problem, s.LastRefusal, s.ClockSkew?.TotalSeconds);

    private static async Task<ManifestResult> ApplyAsync(AgentRuntime agent, ManifestRequest request, CancellationToken cancellation)
    {
        // All files are read before the first object is stored.
        StoreWrite[] writes = [.. request.Files.SelectMany(f => ManifestReader.Read(f.Name, f.Text)).Select(LocalObjects.Write).GroupBy(w => w.Key).Select(g => g.Last())];
        List<string> lines = [];
        foreach (StoreWrite[] chunk in writes.Chunk(StoreWrite.MostAtOnce))
        {
            foreach (StoreWrite write in chunk)
            {
                StoreEntry? before = await agent.Store.GetAsync(write.Key, cancellation);
                bool same = before is StoreEntry entry && entry.Value.Span.SequenceEqual(write.Value!.Value.Span);
                lines.Add($"{NameOf(write.Key)} {(before is null ? "created" : same ? "unchanged" : "configured")}");
            }

            await agent.Store.CommitAsync(chunk, cancellation);
        }

        return new ManifestResult(lines);
    }

    private static async Task<ObjectResult> GetAsync(AgentRuntime agent, ObjectRequest request, CancellationToken cancellation)
    {
        if (request.Kind == EndpointsKind)
        {
            return Found(request, Endpoints(agent.Objects));
        }

        string prefix = ObjectKeys.Of(KindOf(request.Kind), "");
        Dictionary<string, string> found = [];
        StorePage? page = null;
        do
        {
            page = await agent.Store.ListAsync(prefix, page, 1_000, cancellation);
            foreach (StoreEntry entry in page.Entries.Where(e => request.Names.Count == 0 || request.Names.Contains(e.Key[prefix.Length..])))
            {
                found[entry.Key[prefix.Length..]] = System.Text.Encoding.UTF8.GetString(entry.Value.Span);
            }
        }
        while (page.Next is not null);

        return Found(request, found);
    }

    private static ObjectResult Found(ObjectRequest request, Dictionary<string, string> found) =>
        request.Names.FirstOrDefault(n => !found.ContainsKey(n)) is string missing
            ? throw new ControlException(ErrorCode.NotFound, $"there is no {request.Kind} '{missing}'")
            : new ObjectResult(request.Names.Count == 0 ? found : found.Where(f => request.Names.Contains(f.Key)).ToDictionary());

    /// <summary>Of each service the own backends that are ready, as Kubernetes' Endpoints: nobody stores them.</summary>
    private static Dictionary<string, string> Endpoints(LocalObjects objects) => objects.Services.Values.ToDictionary(s => s.Key, s => JsonSerializer.Serialize(
        new EndpointsDocument(s.Namespace, s.Name,
            [.. LocalBackends.Of(s, objects).Where(b => b.State == BackendState.Active).OrderBy(b => b.Address).ThenBy(b => b.Port).Select(b => b.Address.IsIpv4 ? $"{b.Address}:{b.Port}" : $"[{b.Address}]:{b.Port}").Distinct()]),
        AgentJson.Default.EndpointsDocument));

    private static Task<ManifestResult> DeleteAsync(AgentRuntime agent, ObjectRequest request, CancellationToken cancellation) =>
        DeleteKeysAsync(agent, request.Names.Select(n => ObjectKeys.Of(KindOf(request.Kind), n)), cancellation);

    /// <summary>All of them, or none when one is not there.</summary>
    private static async Task<ManifestResult> DeleteKeysAsync(AgentRuntime agent, IEnumerable<string> keys, CancellationToken cancellation)
    {
        StoreWrite[] writes = [.. keys.Distinct().Select(key => new StoreWrite(key, null))];
        foreach (StoreWrite write in writes)
        {
            _ = await agent.Store.GetAsync(write.Key, cancellation) ?? throw new ControlException(ErrorCode.NotFound, $"there is no {NameOf(write.Key)}");
        }

        foreach (StoreWrite[] chunk in writes.Chunk(StoreWrite.MostAtOnce))
        {
            await agent.Store.CommitAsync(chunk, cancellation);
        }

        return new ManifestResult([.. writes.Select(w => $"{NameOf(w.Key)} deleted")]);
    }

    private static Task<ManifestResult> DeleteFilesAsync(AgentRuntime agent, ManifestRequest request, CancellationToken cancellation) => DeleteKeysAsync(
        agent, request.Files.SelectMany(f => ManifestReader.Read(f.Name, f.Text)).Select(o => LocalObjects.Write(o).Key), cancellation);

    private static Task<ManifestResult> AnnotateAsync(AgentRuntime agent, AnnotateRequest request, CancellationToken cancellation) => ChangeAsync(
        agent, ObjectKeys.Of(ObjectKind.Service, request.Service), "annotated", objects =>
        {
            ServiceObject service = objects.Services[request.Service];
            Dictionary<string, string> annotations = new(service.Annotations);
            foreach ((string key, string value) in request.Annotations)
            {
                if (value.Length == 0)
                {
                    annotations.Remove(key);
                    continue;
                }

                if (!request.Overwrite && annotations.TryGetValue(key, out string? before) && before != value)
                {
                    throw new ControlException(ErrorCode.InvalidConfiguration, $"service/{request.Service} has {key}={before} already; say --overwrite");
                }

                annotations[key] = value;
            }

            return service with { Annotations = annotations };
        }, cancellation);

    private static Task<ManifestResult> ScaleAsync(AgentRuntime agent, ScaleRequest request, CancellationToken cancellation) => request.Replicas < 0
        ? throw new ControlException(ErrorCode.InvalidParams, $"replicas: {request.Replicas} is below 0")
        : ChangeAsync(
            agent, ObjectKeys.Of(ObjectKind.Deployment, request.Deployment), "scaled",
            objects => objects.Deployments[request.Deployment] with { Replicas = request.Replicas }, cancellation);

    /// <summary>Reads, changes and writes one object, again when somebody else was quicker.</summary>
    private static async Task<ManifestResult> ChangeAsync(AgentRuntime agent, string key, string done, Func<LocalObjects, object> change, CancellationToken cancellation)
    {
        while (true)
        {
            StoreEntry entry = await agent.Store.GetAsync(key, cancellation) ?? throw new ControlException(ErrorCode.NotFound, $"there is no {NameOf(key)}");
            LocalObjects one = LocalObjects.Empty.With([new StoreChange(key[ObjectKeys.Prefix.Length..], entry.Value, entry.Revision)], []);
            if (await agent.Store.CommitAsync([LocalObjects.Write(change(one)) with { Expected = entry.Revision }], cancellation))
            {
                return new ManifestResult([$"{NameOf(key)} {done}"]);
            }
        }
    }

    private static ObjectKind KindOf(string kind) => Enum.GetValues<ObjectKind>().Where(k => ObjectKeys.NameOf(k) == kind).Select(k => (ObjectKind?)k).FirstOrDefault()
        ?? throw new ControlException(ErrorCode.InvalidParams, $"kind: there is no \"{kind}\"; there are {string.Join(", ", Enum.GetValues<ObjectKind>().Select(ObjectKeys.NameOf))}");

    /// <summary>service/default/webpod.</summary>
    private static string NameOf(string key) => ObjectKeys.TryParse(key[ObjectKeys.Prefix.Length..], out ObjectKind kind, out string name)
        ? $"{kind.ToString().ToLowerInvariant()}/{name}"
        : key;

    private static async ValueTask<T> Guard<T>(Func<Task<T>> work)
    {
        try
        {
            return await work();
        }
        catch (ConfigurationException fault)
        {
            throw new ControlException(ErrorCode.InvalidConfiguration, fault.Message);
        }
        catch (StoreException fault)
        {
            throw new ControlException(ErrorCode.InvalidConfiguration, fault.Message);
        }
    }
}
