using System.Net;
using System.Security.Cryptography.X509Certificates;
using ClusterMesh.Datapath.Agent.Checks;
using ClusterMesh.Datapath.Control;
using ClusterMesh.Datapath.Control.Agent;
using ClusterMesh.Datapath.Control.Documents;
using ClusterMesh.Datapath.Mesh.Objects;
using ClusterMesh.Datapath.Mesh.Remote;
using ClusterMesh.Datapath.Mesh.Schema;
using ClusterMesh.Datapath.Mesh.Store;

namespace ClusterMesh.Datapath.Agent.Tests;

/// <summary>Enable, connect, disconnect and troubleshoot, against an etcd that takes only the certificates that enable has made.</summary>
public sealed class AccessTests : IAsyncDisposable
{
    private readonly string _root = Directory.CreateTempSubdirectory("cmesh-access-").FullName;
    private readonly int _port = EtcdServer.FreePort();

    [Fact]
    public void Enable_makes_what_is_missing_and_keeps_what_is_there()
    {
        EnableResult west = Access("west", 1).Enable(new EnableRequest(null, null));
        Assert.Equal(4, west.Lines.Count(l => l.StartsWith("🔑", StringComparison.Ordinal)));
        Assert.Equal(4, Access("west", 1).Enable(new EnableRequest(null, null)).Lines.Count(l => l.StartsWith('✅')));
        EnableResult east = Access("east", 2).Enable(new EnableRequest(west.CaCertificate, west.CaKey));
        Assert.Equal(west.CaCertificate, east.CaCertificate);

        using X509Certificate2 server = X509Certificate2.CreateFromPem(File.ReadAllText(Path.Combine(_root, "east", "pki", "server.crt")));
        foreach (string name in (string[])["clustermesh-apiserver.cilium.io", "east.mesh.cilium.io", "clustermesh-apiserver.kube-system.svc", "127.0.0.1", "::1", "172.18.0.5"])
        {
            Assert.True(server.MatchesHostname(name), name);
        }

        Assert.False(server.MatchesHostname("example.org"));
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, new FileInfo(Path.Combine(_root, "east", "pki", "server.key")).UnixFileMode);

        EnableResult other = Access("north", 3).Enable(new EnableRequest(null, null));
        ControlException refusal = Assert.Throws<ControlException>(() => Access("west", 1).Enable(new EnableRequest(other.CaCertificate, other.CaKey)));
        Assert.Contains("is another CA than the one given", refusal.Message);
    }

    [Fact]
    public void Access_is_refused_before_enable_and_connect_refuses_itself()
    {
        Assert.Equal("cluster west is not enabled; run cmesh clustermesh enable --context west", Assert.Throws<ControlException>(() => Access("west", 1).Access()).Message);
        Access("west", 1).Enable(new EnableRequest(null, null));
        AccessDocument west = Access("west", 1).Access();
        Assert.Equal("https://west.mesh.cilium.io:" + _port, west.Endpoint);
        Assert.Equal("remote and local cluster have the same, non-unique name: west", Assert.Throws<ControlException>(() => Access("west", 1).Connect(west)).Message);
        Assert.Equal("remote and local cluster have the same, non-unique ID: 1", Assert.Throws<ControlException>(() => Access("east", 1).Connect(west)).Message);
        Assert.Equal("cluster id 300 is not within 1 and 255", Assert.Throws<ControlException>(() => Access("east", 2).Connect(west with { ClusterId = 300 })).Message);
        Assert.Equal(ErrorCode.NotFound, Assert.Throws<ControlException>(() => Access("east", 2).Disconnect(new ClusterRequest("../west"))).Code);
    }

    [Fact]
    public async Task A_connected_cluster_is_ready_and_troubleshoot_says_so()
    {
        EnableResult ca = Access("east", 2).Enable(new EnableRequest(null, null));
        Access("west", 1).Enable(new EnableRequest(ca.CaCertificate, ca.CaKey));
        string pki(string file) => Path.Combine(_root, "east", "pki", file);
        await using EtcdServer etcd = EtcdServer.WithTls(_port, "--cert-file", pki("server.crt"), "--key-file", pki("server.key"), "--client-cert-auth", "--trusted-ca-file", pki("ca.crt"));
        await etcd.InitializeAsync();
        await using EtcdStore east = new(etcd.Settings with { TrustedCaFile = pki("ca.crt"), CertFile = pki("remote.crt"), KeyFile = pki("remote.key") });
        await east.CommitAsync([new StoreWrite(MeshKeys.ClusterConfig("east"), """{"id":2}"""u8.ToArray()), new StoreWrite(MeshKeys.Heartbeat, "now"u8.ToArray())]);

        await using AgentRuntime agent = AgentRuntime.Start(Settings("west", 1), TimeProvider.System, _ => { });
        Access("west", 1).Connect(Access("east", 2).Access());
        await Eventually.TrueAsync(() => agent.Remotes.Status is [{ IsReady: true }], () => string.Join(';', agent.Remotes.Status));
        string[] lines = [.. await Troubleshoot.RunAsync(agent, null, TimeProvider.System, CancellationToken.None)];
        Assert.Equal("Found 1 cluster configurations", lines[0]);
        foreach (string wanted in (string[])
        [
            "Cluster \"east\":", $"📄 Configuration path: {_root}/west/clustermesh/east", $"   - https://east.mesh.cilium.io:{_port}", "     ✅ Hostname resolved to: 127.0.0.1",
            $"     ✅ TCP connection successfully established to 127.0.0.1:{_port}", $"     ✅ TLS connection successfully established to 127.0.0.1:{_port}",
            "   ✅ TLS Root CA certificates:", "   ✅ TLS client certificates:", "        Subject:             CN=remote", "   ✅ Etcd connection successfully established",
            $"   ℹ️ Etcd cluster ID: {east.ClusterId:x}", "   ℹ️ Etcd server version: " + await east.GetVersionAsync(),
        ])
        {
            Assert.Contains(wanted, lines);
        }

        Assert.DoesNotContain(lines, l => l.Contains('❌'));

        await etcd.KillAsync();
        lines = [.. await Troubleshoot.RunAsync(agent, "east", TimeProvider.System, CancellationToken.None)];
        Assert.Contains(lines, l => l.StartsWith($"     ❌ Cannot establish TCP connection to 127.0.0.1:{_port}: ", StringComparison.Ordinal));
        Assert.Contains(lines, l => l.StartsWith("   ❌ Failed to establish etcd connection: ", StringComparison.Ordinal));

        Access("west", 1).Disconnect(new ClusterRequest("east"));
        await Eventually.TrueAsync(() => agent.Remotes.Status.Count == 0, () => string.Join(';', agent.Remotes.Status));
        Assert.Empty(Directory.GetFiles(Path.Combine(_root, "west", "clustermesh")));
    }

    [Fact]
    public void Peers_that_are_not_exempt_and_one_sided_services_are_said()
    {
        MeshState state = new();
        state.Update("east", 2, view => view with
        {
            Nodes = view.Nodes.Add("n", new MeshNode("n", "east", 2) { Ipv4AllocCidr = Wire.IpPrefix.Parse("10.1.1.0/24") }),
            Services = view.Services.Add("default/webpod", new ClusterService("east", "default", "webpod", 2, [], [], new Dictionary<string, string>(),
                new Dictionary<string, ServiceZone>(), new Dictionary<string, string>(), new Dictionary<string, string>(), true, true)),
        });
        NodeDocument node = new() { Routing = new RoutingSection { Ipv4NativeRoutingCidr = "10.0.0.0/16" }, Masquerade = new MasqueradeSection() };
        Assert.Equal(
        [
            "pods of 10.1.1.0/24 see this node's address instead of our pods': it is not exempt from masquerading; add 10.1.1.0/24 to masquerade.nonMasqueradeCIDRs",
            "cluster east shares service default/webpod, which does not exist here; apply it here too to use it",
        ], PeerChecks.Run(LocalObjects.Empty, state.Current, node));
        node.Masquerade.NonMasqueradeCidrs = ["10.1.0.0/16"];
        LocalObjects local = LocalObjects.Empty with { Services = LocalObjects.Empty.Services.Add("default/webpod", new ServiceObject("default", "webpod")) };
        Assert.Equal(
            ["cluster east shares service default/webpod, which is not global here; annotate it with service.cilium.io/global=true to use it"], PeerChecks.Run(local, state.Current, node));
    }

    public ValueTask DisposeAsync()
    {
        Directory.Delete(_root, recursive: true);
        return ValueTask.CompletedTask;
    }

    private AgentSettings Settings(string cluster, int id) => AgentSettings.Parse("agent.yaml", $$"""
        cluster: {name: {{cluster}}, id: {{id}}}
        node: {name: {{cluster}}-worker, addresses: [172.18.0.5]}
        store: {directory: {{_root}}/{{cluster}}/store}
        remote: {directory: {{_root}}/{{cluster}}/clustermesh}
        clustermesh: {pki: {{_root}}/{{cluster}}/pki, endpoint: "127.0.0.1:{{_port}}"}
        forwarder: {socket: {{_root}}/{{cluster}}/none.sock}
        socket: {{_root}}/{{cluster}}/agent.sock
        """);

    private MeshAccess Access(string cluster, int id) => new(Settings(cluster, id), TimeProvider.System, () => ("native", []));
}
