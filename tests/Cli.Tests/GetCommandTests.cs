using ClusterMesh.Datapath.Control;
using ClusterMesh.Datapath.Control.Agent;

namespace ClusterMesh.Datapath.Cli.Tests;

/// <summary>cmesh get and delete of what agents keep.</summary>
public sealed class GetCommandTests : IAsyncDisposable
{
    private readonly FakeForwarder _fake = new();
    private readonly List<ControlServer> _agents = [];

    private static readonly Dictionary<string, Dictionary<string, string>> s_objects = new()
    {
        ["services"] = new()
        {
            ["default/webpod"] = """{"namespace":"default","name":"webpod","type":"NodePort","clusterIps":["10.2.164.148"],"ports":[{"name":"","protocol":"TCP","port":80,"nodePort":30080}],"loadBalancerIps":[],"externalIps":[]}""",
            ["kube-system/kube-dns"] = """{"namespace":"kube-system","name":"kube-dns","type":"ClusterIP","clusterIps":["10.2.0.10"],"ports":[{"name":"dns","protocol":"UDP","port":53,"nodePort":0},{"name":"dns-tcp","protocol":"TCP","port":53,"nodePort":0}]}""",
        },
        ["endpoints"] = new() { ["default/webpod"] = """{"namespace":"default","name":"webpod","addresses":["10.0.1.14:80","10.0.1.162:80"]}""" },
        ["deployments"] = new() { ["default/webpod"] = """{"namespace":"default","name":"webpod","replicas":2,"selector":{"app":"webpod"}}""" },
        ["pods"] = new()
        {
            ["default/webpod-1"] = """{"namespace":"default","name":"webpod-1","labels":{"app":"webpod"},"nodeName":"west-worker","ips":["10.0.1.14"],"ready":true}""",
            ["default/webpod-2"] = """{"namespace":"default","name":"webpod-2","labels":{"app":"webpod"},"nodeName":"west-worker","ips":["10.0.1.162"],"ready":false}""",
        },
        ["nodes"] = new() { ["west-worker"] = """{"name":"west-worker","addresses":[{"type":"InternalIP","address":"172.18.0.5"},{"type":"CiliumInternalIP","address":"10.0.1.218"}],"podCidrs":["10.0.1.0/24"]}""" },
    };

    [Fact]
    public async Task Service_and_endpoints_as_the_walk_through_asks()
    {
        Agent("west");
        Assert.Equal((0, """
            NAME             TYPE       CLUSTER-IP     EXTERNAL-IP   PORT(S)
            service/webpod   NodePort   10.2.164.148   <none>        80:30080/TCP

            NAME               ENDPOINTS
            endpoints/webpod   10.0.1.14:80,10.0.1.162:80

            """.ReplaceLineEndings("\n"), ""), await _fake.RunAsync("get", "svc,ep", "webpod"));
    }

    [Fact]
    public async Task All_namespaces_have_a_column()
    {
        Agent("west");
        Assert.Equal((0, """
            NAMESPACE     NAME       TYPE        CLUSTER-IP     EXTERNAL-IP   PORT(S)
            default       webpod     NodePort    10.2.164.148   <none>        80:30080/TCP
            kube-system   kube-dns   ClusterIP   10.2.0.10      <none>        53/UDP,53/TCP

            """.ReplaceLineEndings("\n"), ""), await _fake.RunAsync("get", "services", "-A"));
    }

    [Theory]
    [InlineData("deploy", "NAME     READY\nwebpod   1/2\n")]
    [InlineData("pods", "NAME       READY   IP           NODE\nwebpod-1   1/1     10.0.1.14    west-worker\nwebpod-2   0/1     10.0.1.162   west-worker\n")]
    [InlineData("nodes", "NAME          INTERNAL-IP   POD-CIDR\nwest-worker   172.18.0.5    10.0.1.0/24\n")]
    public async Task Each_kind_has_its_columns(string kind, string table)
    {
        Agent("west");
        Assert.Equal((0, table, ""), await _fake.RunAsync("get", kind));
    }

    [Fact]
    public async Task Nothing_there_and_something_missing_are_said()
    {
        Agent("west");
        Assert.Equal((0, "", "No resources found in other namespace.\n"), await _fake.RunAsync("get", "svc", "-n", "other"));
        Assert.Equal((1, "", "Error: there is no services 'default/x'\n"), await _fake.RunAsync("get", "svc", "x"));
        Assert.Equal((2, "", "Error: there is no kind 'ingress'; there are services, endpoints, endpointslices, pods, deployments, nodes, configmaps, namespaces, networkpolicies, ciliumnetworkpolicies, ciliumclusterwidenetworkpolicies\n"), await _fake.RunAsync("get", "ingress"));
    }

    [Fact]
    public async Task Json_and_names_are_for_programs()
    {
        Agent("west");
        Assert.Equal((0, "service/webpod\nendpoints/webpod\n", ""), await _fake.RunAsync("get", "svc,ep", "-o", "name"));
        (int code, string output, string _) = await _fake.RunAsync("get", "nodes", "-o", "json");
        Assert.Equal((0, $"[{s_objects["nodes"]["west-worker"]}]\n"), (code, output));
    }

    [Fact]
    public async Task With_several_clusters_one_must_be_named()
    {
        Agent("west");
        Agent("east");
        Assert.Equal((2, "", "Error: several clusters are there, choose one with --context: east, west\n"), await _fake.RunAsync("get", "nodes"));
        Assert.Equal(0, (await _fake.RunAsync("get", "nodes", "--context", "east")).Code);
    }

    [Fact]
    public async Task What_an_agent_keeps_is_deleted_there()
    {
        _fake.With("west", "west-worker");
        Agent("west");
        Assert.Equal((0, "deleted services default/webpod\n", ""), await _fake.RunAsync("delete", "service", "webpod"));
        Assert.Equal((0, "deleted pods kube-system/coredns\n", ""), await _fake.RunAsync("delete", "pod", "kube-system/coredns"));
        string file = Path.Combine(_fake.RunDirectory, "webpod.yaml");
        await File.WriteAllTextAsync(file, "apiVersion: v1\nkind: Service\n");
        Assert.Equal((0, $"deleted what {file} names\n", ""), await _fake.RunAsync("delete", "-f", file));
        Assert.Empty(_fake.Changes);
        Assert.Equal(2, (await _fake.RunAsync("delete")).Code);
        Assert.Equal(2, (await _fake.RunAsync("delete", "service", "webpod", "-f", file)).Code);
        Assert.Equal(2, (await _fake.RunAsync("delete", "-f", "/nowhere.yaml")).Code);
    }

    public async ValueTask DisposeAsync()
    {
        foreach (ControlServer agent in _agents)
        {
            await agent.DisposeAsync();
        }

        await _fake.DisposeAsync();
    }

    private void Agent(string cluster)
    {
        ControlServer server = new(Path.Combine(_fake.RunDirectory, $"{cluster}-west-worker", "agent.sock"));
        server.Map("status", ControlRole.Reader, ControlJson.Default.NoContent, AgentJson.Default.AgentStatus, (_, _) => new(new AgentStatus(
            "0.1.0", $"{cluster}-worker", cluster, 1, 255, "", true, true, false, "", true, 4, 0, [], [])));
        server.Map("get", ControlRole.Reader, AgentJson.Default.ObjectRequest, AgentJson.Default.ObjectResult, (r, _) =>
        {
            Dictionary<string, string> all = s_objects[r.Kind];
            string? missing = r.Names.FirstOrDefault(n => !all.ContainsKey(n));
            return missing is null
                ? new(new ObjectResult(r.Names.Count == 0 ? all : all.Where(o => r.Names.Contains(o.Key)).ToDictionary()))
                : throw new ControlException(ErrorCode.NotFound, $"there is no {r.Kind} '{missing}'");
        });
        server.Map("delete", ControlRole.Admin, AgentJson.Default.ObjectRequest, AgentJson.Default.ManifestResult, (r, _) => new(new ManifestResult([$"deleted {r.Kind} {string.Join(' ', r.Names)}"])));
        server.Map("deleteFiles", ControlRole.Admin, AgentJson.Default.ManifestRequest, AgentJson.Default.ManifestResult, (r, _) => new(new ManifestResult([$"deleted what {r.Files[0].Name} names"])));
        server.Start();
        _agents.Add(server);
    }
}
