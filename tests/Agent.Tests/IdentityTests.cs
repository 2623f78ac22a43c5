namespace ClusterMesh.Datapath.Agent.Tests;

/// <summary>Two clusters with real etcds: who is behind which address comes to the forwarder of each, and goes again.</summary>
public sealed class IdentityTests : IAsyncLifetime
{
    private readonly string _root = Directory.CreateTempSubdirectory("cmesh-identity-").FullName;
    private readonly List<string> _log = [];
    private Side _west = null!;
    private Side _east = null!;

    public async ValueTask InitializeAsync()
    {
        _west = new Side(_root, "west", 1, "172.18.0.5", "10.0.1.0/24", Log);
        _east = new Side(_root, "east", 2, "172.18.0.2", "10.1.1.0/24", Log);
        await _west.StartAsync();
        await _east.StartAsync();
    }

    [Fact]
    public async Task Pods_and_nodes_of_both_clusters_are_told_with_their_labels()
    {
        await _west.ApplyAsync(Pod("curl-pod", "west-worker", "10.0.1.105"));
        await _east.ApplyAsync(Pod("webpod", "east-worker", "10.1.1.2"));
        await UntilAsync(() => Identity(_west, "10.0.1.105/32") is >= 65_536 and < 131_072);
        Assert.DoesNotContain("10.1.1.2", _west.Forwarder.Ipcache);

        Connect(_west, _east);
        await UntilAsync(() => Identity(_west, "10.1.1.2/32") is >= 131_072 and < 196_608);
        Assert.Contains($"10.1.1.2/32 {Identity(_west, "10.1.1.2/32")} 172.18.0.2 east kvstore", _west.Forwarder.Ipcache);
        Assert.Contains($"10.0.1.105/32 {Identity(_west, "10.0.1.105/32")} 172.18.0.5 west custom-resource", _west.Forwarder.Ipcache);
        await UntilAsync(() => _west.Forwarder.Ipcache.Contains("172.18.0.2/32 6 0.0.0.0 east kvstore", StringComparison.Ordinal));
        await UntilAsync(() => _west.Forwarder.LabelsOf(Identity(_west, "10.1.1.2/32"))
            == "k8s:app=webpod k8s:io.cilium.k8s.policy.cluster=east k8s:io.cilium.k8s.policy.serviceaccount=default k8s:io.kubernetes.pod.namespace=default");

        // One more there is one more here: nothing else is told again.
        int told = _west.Forwarder.IpcacheToldCount;
        await _east.ApplyAsync(Pod("other", "east-worker", "10.1.1.3"));
        await UntilAsync(() => Identity(_west, "10.1.1.3/32") >= 131_072);
        Assert.Equal(told + 1, _west.Forwarder.IpcacheToldCount);

        // Gone there, gone here; and with the cluster all that is its own.
        long gone = Identity(_west, "10.1.1.3/32");
        await _east.CallAsync("delete", new Control.Agent.ObjectRequest("pods", ["default/other"]), Control.Agent.AgentJson.Default.ObjectRequest);
        await UntilAsync(() => Identity(_west, "10.1.1.3/32") == 0 && _west.Forwarder.LabelsOf(gone) == "");
        File.Delete(Path.Combine(_west.RemoteDirectory, "east"));
        await UntilAsync(() => !_west.Forwarder.Ipcache.Contains("east", StringComparison.Ordinal));
        Assert.NotEqual(0, Identity(_west, "10.0.1.105/32"));
    }

    [Fact]
    public async Task A_restarted_forwarder_is_told_everything_and_a_restarted_agent_takes_nothing_away()
    {
        await _east.ApplyAsync(Pod("webpod", "east-worker", "10.1.1.2"));
        Connect(_west, _east);
        await UntilAsync(() => Identity(_west, "10.1.1.2/32") != 0);
        await _west.RestartForwarderAsync(null);
        Assert.Equal("", _west.Forwarder.Ipcache);
        await UntilAsync(() => Identity(_west, "10.1.1.2/32") != 0);

        // The other cluster is away when the agent comes back: what the forwarder has of it stays.
        await _west.StopAgentAsync();
        await _east.Etcd.KillAsync();
        int told = _west.Forwarder.IpcacheToldCount;
        await _west.StartAgentAsync();
        await _west.ApplyAsync(Pod("curl-pod", "west-worker", "10.0.1.105"));
        await UntilAsync(() => Identity(_west, "10.0.1.105/32") != 0);
        Assert.NotEqual(0, Identity(_west, "10.1.1.2/32"));
        Assert.Equal(told + 1, _west.Forwarder.IpcacheToldCount);
    }

    /// <summary>No pod is without its identity while the agent that comes back asks the store for their numbers.</summary>
    [Fact]
    public async Task A_restarted_agent_takes_no_identity_of_its_own_cluster_away()
    {
        await _west.ApplyAsync(Pod("curl-pod", "west-worker", "10.0.1.105"));
        await UntilAsync(() => Identity(_west, "10.0.1.105/32") != 0);
        long before = Identity(_west, "10.0.1.105/32");
        int told = _west.Forwarder.IpcacheToldCount;
        await _west.StopAgentAsync();
        await _west.StartAgentAsync();

        // A pod that came later is told: by then the numbers of all are known.
        await _west.ApplyAsync(Pod("other", "west-worker", "10.0.1.106"));
        await UntilAsync(() => Identity(_west, "10.0.1.106/32") != 0);
        Assert.Equal(before, Identity(_west, "10.0.1.105/32"));
        Assert.Equal(told + 1, _west.Forwarder.IpcacheToldCount);
    }

    [Fact]
    public async Task Policies_come_to_the_forwarder_and_go()
    {
        await _west.ApplyAsync("kind: NetworkPolicy\nmetadata: {name: closed}\nspec: {podSelector: {}}\n---\nkind: CiliumNetworkPolicy\nmetadata: {name: open}\nspec: {endpointSelector: {}, ingress: [{fromEntities: [all]}]}\n");
        await UntilAsync(() => _west.Forwarder.Policies == "cnp/default/open netpol/default/closed");
        await _west.RestartForwarderAsync(null);
        await UntilAsync(() => _west.Forwarder.Policies == "cnp/default/open netpol/default/closed");
        await _west.CallAsync("delete", new Control.Agent.ObjectRequest("networkpolicies", ["default/closed"]), Control.Agent.AgentJson.Default.ObjectRequest);
        await UntilAsync(() => _west.Forwarder.Policies == "cnp/default/open");
    }

    [Fact]
    public async Task The_api_server_is_known_by_its_service()
    {
        await _west.ApplyAsync("""
            apiVersion: discovery.k8s.io/v1
            kind: EndpointSlice
            metadata: {name: kubernetes, namespace: default, labels: {kubernetes.io/service-name: kubernetes}}
            addressType: IPv4
            ports: [{port: 6443}]
            endpoints: [{addresses: [172.18.0.4]}]
            """);
        await UntilAsync(() => _west.Forwarder.Ipcache.Contains("172.18.0.4/32 7 0.0.0.0 west kube-apiserver", StringComparison.Ordinal));
    }

    public async ValueTask DisposeAsync()
    {
        await _west.DisposeAsync();
        await _east.DisposeAsync();
        Directory.Delete(_root, recursive: true);
    }

    private static long Identity(Side side, string prefix) => side.Forwarder.Ipcache.Split("; ").Select(r => r.Split(' '))
        .Where(r => r[0] == prefix).Select(r => long.Parse(r[1])).FirstOrDefault();

    private static string Pod(string name, string node, string address) => $$$"""
        kind: Pod
        metadata: {name: {{{name}}}, labels: {app: {{{name}}}, pod-template-hash: x}}
        spec: {nodeName: {{{node}}}}
        status: {podIP: {{{address}}}}
        """;

    private static void Connect(Side from, Side to) =>
        File.WriteAllText(Path.Combine(from.RemoteDirectory, to.Settings.Cluster), $"endpoints: [\"{to.Etcd.Url}\"]\n");

    private void Log(string line)
    {
        lock (_log)
        {
            _log.Add(line);
        }
    }

    private Task UntilAsync(Func<bool> condition) => Eventually.TrueAsync(condition, () => $"west: {_west.Forwarder.Ipcache}\n{string.Join('\n', _log.ToArray())}");
}
