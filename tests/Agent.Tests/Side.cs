using System.Text.Json.Serialization.Metadata;
using ClusterMesh.Datapath.Control;
using ClusterMesh.Datapath.Control.Agent;
using ClusterMesh.Datapath.Control.Documents;
using ClusterMesh.Datapath.Control.Messages;

namespace ClusterMesh.Datapath.Agent.Tests;

/// <summary>One cluster of a test: an etcd, one node with its agent and the socket of a forwarder.</summary>
internal sealed class Side : IAsyncDisposable
{
    private readonly Action<string> _log;
    private ControlServer? _server;

    public Side(string root, string cluster, int id, string address, string podCidr, Action<string> log)
    {
        _log = line => log($"{cluster}: {line}");
        string home = Path.Combine(root, cluster);
        Directory.CreateDirectory(home);
        RemoteDirectory = Path.Combine(home, "clustermesh");
        Directory.CreateDirectory(RemoteDirectory);
        EtcdConfig = Path.Combine(home, "etcd.yaml");
        File.WriteAllText(EtcdConfig, $"endpoints: [\"{Etcd.Url}\"]\n");
        Settings = AgentSettings.Parse("agent.yaml", $$"""
            cluster: {name: {{cluster}}, id: {{id}}}
            node: {name: {{cluster}}-worker, addresses: [{{address}}], podCIDRs: [{{podCidr}}]}
            store: {etcd: {{EtcdConfig}}}
            remote: {directory: {{RemoteDirectory}}}
            forwarder: {socket: {{home}}/control.sock}
            socket: {{home}}/agent.sock
            """);
        Forwarder = new TestForwarder(Settings.ForwarderSocket);
    }

    public EtcdServer Etcd { get; } = new();

    public string EtcdConfig { get; }

    public string RemoteDirectory { get; }

    public AgentSettings Settings { get; set; }

    public AgentRuntime Agent { get; private set; } = null!;

    public TestForwarder Forwarder { get; private set; }

    public string Backends => Forwarder.Backends("default/webpod", Settings.Cluster);

    public async Task StartAsync()
    {
        await Etcd.InitializeAsync();
        await StartAgentAsync();
    }

    public Task StartAgentAsync()
    {
        Agent = AgentRuntime.Start(Settings, TimeProvider.System, _log);
        _server = new ControlServer(Settings.SocketPath) { Fault = (where, fault) => _log($"{where}: {fault}") };
        AgentMethods.Map(_server, Agent);
        AgentMethods.MapAccess(_server, Agent, new MeshAccess(Settings, TimeProvider.System, Agent.Network));
        _server.Start();
        return Task.CompletedTask;
    }

    public async Task StopAgentAsync()
    {
        if (_server is not null)
        {
            await _server.DisposeAsync();
            await Agent.DisposeAsync();
            _server = null;
        }
    }

    public async Task RestartForwarderAsync(NodeDocument? before)
    {
        await Forwarder.DisposeAsync();
        Forwarder = new TestForwarder(Settings.ForwarderSocket, before);
    }

    public Task<ManifestResult> ApplyAsync(string manifest) => AskAsync(
        "apply", new ManifestRequest([new ManifestFile("test.yaml", manifest)]), AgentJson.Default.ManifestRequest, AgentJson.Tolerant.ManifestResult);

    public Task<ManifestResult> AnnotateAsync(string key, string value) => AskAsync(
        "annotate", new AnnotateRequest("default/webpod", new Dictionary<string, string> { [key] = value }, true), AgentJson.Default.AnnotateRequest, AgentJson.Tolerant.ManifestResult);

    public Task<ManifestResult> CallAsync<T>(string method, T request, JsonTypeInfo<T> type) => AskAsync(method, request, type, AgentJson.Tolerant.ManifestResult);

    public Task<ObjectResult> GetAsync(string kind) => AskAsync("get", new ObjectRequest(kind, []), AgentJson.Default.ObjectRequest, AgentJson.Tolerant.ObjectResult);

    public Task<AgentStatus> StatusAsync() => AskAsync("status", new NoContent(), ControlJson.Default.NoContent, AgentJson.Tolerant.AgentStatus);

    /// <summary>The other cluster's file in our directory, without TLS.</summary>
    public void Connect(Side to) => File.WriteAllText(Path.Combine(RemoteDirectory, to.Settings.Cluster), $"endpoints: [\"{to.Etcd.Url}\"]\n");

    /// <summary>A deployment of two pods behind a global service.</summary>
    public static string Webpod(string pods, string clusterIp) => $$$$"""
        kind: Deployment
        metadata: {name: webpod}
        spec: {replicas: 2, selector: {matchLabels: {app: webpod}}}
        ---
        kind: Service
        metadata: {name: webpod, annotations: {service.cilium.io/global: "true"}}
        spec: {clusterIP: {{{{clusterIp}}}}, selector: {app: webpod}, ports: [{port: 80}]}
        ---
        kind: Pod
        metadata: {name: webpod-1, labels: {app: webpod}}
        status: {podIP: {{{{pods}}}}1}
        ---
        kind: Pod
        metadata: {name: webpod-2, labels: {app: webpod}}
        status: {podIP: {{{{pods}}}}2}
        """;

    public async ValueTask DisposeAsync()
    {
        await StopAgentAsync();
        await Forwarder.DisposeAsync();
        await Etcd.DisposeAsync();
    }

    private async Task<TResult> AskAsync<T, TResult>(string method, T request, JsonTypeInfo<T> type, JsonTypeInfo<TResult> resultType)
    {
        await using ControlClient client = await ControlClient.ConnectAsync(Settings.SocketPath, TimeSpan.FromSeconds(20));
        return await client.CallAsync(method, request, type, resultType);
    }
}
