using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using ClusterMesh.Datapath.Agent.Checks;
using ClusterMesh.Datapath.Control.Agent;
using ClusterMesh.Datapath.Control.Documents;
using ClusterMesh.Datapath.Mesh.Certificates;
using ClusterMesh.Datapath.Mesh.Objects;
using ClusterMesh.Datapath.Mesh.Remote;
using ClusterMesh.Datapath.Mesh.Schema;
using ClusterMesh.Datapath.Mesh.Store;
using Microsoft.Extensions.Time.Testing;

namespace ClusterMesh.Datapath.Agent.Tests;

/// <summary>Each thing that can be wrong between two clusters, and the sentence that says so, on an etcd with TLS.</summary>
public sealed class TroubleshootTests : IAsyncLifetime
{
    private readonly string _root = Directory.CreateTempSubdirectory("cmesh-trouble-").FullName;
    private readonly DateTimeOffset _now = DateTimeOffset.UtcNow;
    private X509Certificate2 _ca = null!;
    private EtcdServer _etcd = null!;
    private EtcdStore _store = null!;

    public async ValueTask InitializeAsync()
    {
        _ca = LongLivedCa(_now);
        MeshCertificates.Write(_ca, At("ca.crt"), At("ca.key"));
        Client("root", _now);
        Client("remote", _now);
        Server(_now);
        _etcd = EtcdServer.WithTls("--cert-file", At("server.crt"), "--key-file", At("server.key"), "--client-cert-auth", "--trusted-ca-file", At("ca.crt"));
        await _etcd.InitializeAsync();
        _store = new EtcdStore(Settings("root"));
        await PutAsync(MeshKeys.Heartbeat, "2026-11-23T05:02:07Z");
        await PutAsync(MeshKeys.ClusterConfig("east"), """{"id":2}""");
    }

    [Fact]
    public async Task All_is_well()
    {
        string[] lines = await TroubleshootAsync();
        Assert.DoesNotContain(lines, l => l.Contains('❌') || l.Contains('⚠'));
        foreach (string wanted in (string[])["     ✅ Clocks agree", "   ✅ Heartbeat of 2026-11-23T05:02:07Z", "   ✅ Cluster configuration found: cluster id 2"])
        {
            Assert.Contains(wanted, lines);
        }
    }

    [Theory]
    [InlineData("""{"id":1}""", "   ❌ clusterID 1 is assigned to the local cluster")]
    [InlineData("""{"id":2,"capabilities":{"maxConnectedClusters":511}}""", "   ❌ its maxConnectedClusters is 511, ours is 255; install both clusters with the same")]
    [InlineData("""{"id":300}""", "   ❌ cluster id 300 is not within 1 and 255")]
    [InlineData("""no JSON""", "   ❌ Cluster configuration cannot be read: the value is not valid JSON")]
    [InlineData(null, "   ❌ Cluster configuration not found; is 'east' the name that the cluster itself uses, is this its etcd, and has its agent published?")]
    public async Task A_configuration_that_does_not_fit_is_said(string? config, string sentence)
    {
        await PutAsync(MeshKeys.ClusterConfig("east"), config);
        Assert.Contains(sentence, await TroubleshootAsync());
    }

    [Fact]
    public async Task A_cluster_in_which_nobody_publishes_is_said()
    {
        await PutAsync(MeshKeys.Heartbeat, null);
        Assert.Contains("   ⚠️ There is no heartbeat: no agent publishes there", await TroubleshootAsync());
    }

    [Fact]
    public async Task A_user_without_the_role_is_said()
    {
        await new EtcdUsers(_store, "north").EnsureAsync("root");
        Assert.Contains(await TroubleshootAsync(), l => l.StartsWith("   ❌ Cluster configuration may not be read: ", StringComparison.Ordinal) && l.EndsWith("look at the user's role", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData(-1, "ahead of")]
    [InlineData(1, "behind")]
    public async Task Clocks_apart_are_said(int hours, string how)
    {
        FakeTimeProvider ours = new(DateTimeOffset.UtcNow.AddHours(hours));
        IReadOnlyList<string> lines = await new EndpointProbe(_etcd.Endpoint, Settings("remote"), ours).RunAsync(CancellationToken.None);
        Assert.Matches($"^⚠️ the clock of the endpoint's machine is 3[56][0-9]{{2}} s {how} ours; certificates are judged by it: set both by NTP$", lines[^1]);
    }

    [Fact]
    public async Task A_servers_certificate_that_has_ended_or_soon_will_is_said()
    {
        Server(_now - MeshCertificates.LeafLifetime + TimeSpan.FromDays(10));
        Assert.Contains(await TroubleshootAsync(), l => l.StartsWith("     ⚠️ The server's certificate ends ", StringComparison.Ordinal));
        Server(_now - MeshCertificates.LeafLifetime - TimeSpan.FromDays(10));
        Assert.Contains(await TroubleshootAsync(), l => l.StartsWith("     ❌ Cannot establish TLS connection", StringComparison.Ordinal) && l.EndsWith(", not now", StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_clients_certificate_that_has_ended_or_soon_will_is_said_and_warned_of()
    {
        Client("remote", _now - MeshCertificates.LeafLifetime + TimeSpan.FromDays(10));
        Assert.Matches("ends .*; enable east and connect again to have a new one", Assert.Single(CertificateChecks.Ending("east", Settings("remote"), _now)));
        Assert.Contains("        ⚠️ The certificate ends in 10 days", await TroubleshootAsync());
        Client("remote", _now - MeshCertificates.LeafLifetime - TimeSpan.FromDays(10));
        Assert.Contains("has ended", Assert.Single(CertificateChecks.Ending("east", Settings("remote"), _now)));
        string[] lines = await TroubleshootAsync();
        Assert.Contains("        ❌ The certificate has expired", lines);
        Assert.Contains(lines, l => l.Contains("❌ No answer of etcd after the connection was made; does it take our certificate?", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Another_CA_and_another_name_are_said()
    {
        using (X509Certificate2 other = MeshCertificates.CreateCa(_now))
        {
            MeshCertificates.Write(other, At("other.crt"), At("other.key"));
        }

        string ca = Assert.Single(await ProbeAsync(Settings("remote") with { TrustedCaFile = At("other.crt") }), l => l.StartsWith('❌'));
        Assert.Contains("is not signed by " + At("other.crt"), ca);
        EtcdSettings named = Settings("remote") with
        {
            Endpoints = [new Uri($"https://elsewhere.example:{_etcd.Port}")],
            HostAliases = new Dictionary<string, System.Net.IPAddress> { ["elsewhere.example"] = System.Net.IPAddress.Loopback },
        };
        string name = Assert.Single(await ProbeAsync(named), l => l.StartsWith('❌'));
        Assert.Contains("is not for this name; look at its subject alternative names (clustermesh-apiserver.cilium.io, *.mesh.cilium.io,", name);
    }

    [Fact]
    public async Task The_own_etcd_is_recognised()
    {
        string file = Path.Combine(_root, "etcd.yaml");
        await File.WriteAllTextAsync(file, ClientFile("root"));
        Assert.Contains("   ❌ This is the etcd of cluster west itself; look at the endpoint's address and name", await TroubleshootAsync($"{{etcd: {file}}}"));
    }

    [Fact]
    public void Older_etcds_other_routing_and_services_of_one_side_are_said()
    {
        Assert.Equal("⚠️ etcd 3.3.25 is older than 3.4, the oldest that this was tried with", Assert.Single(Troubleshoot.OldVersion("3.3.25")));
        Assert.Empty(Troubleshoot.OldVersion("3.5.1"));
        Assert.Equal(
            "cluster east routes by 'vxlan', this node by 'native': packets between them are lost; use one mode in the whole mesh",
            Assert.Single(PeerChecks.RoutingModes("native", [("east", "vxlan"), ("north", "native"), ("south", null)])));
        AgentSettings agent = AgentSettings.Parse("a.yaml", "cluster: {name: west, id: 300, maxConnectedClusters: 511, routingMode: tunnel}\nnode: {name: n, addresses: [172.18.0.5]}\n");
        var forwarder = new NodeDocument { Node = new NodeSection { ClusterId = 1, MaxConnectedClusters = 255 }, Routing = new RoutingSection { Mode = "native" } };
        Assert.Equal(
        [
            "this node's forwarder routes by 'native', its cluster west by 'tunnel': packets between them are lost; use one mode in the whole mesh",
            "this node's forwarder has cluster id 1, its agent 300: identities are judged by the wrong cluster; give both the same",
            "this node's forwarder has maxConnectedClusters 255, its agent 511: identities are cut at different bits; give both the same",
        ], PeerChecks.OwnForwarder(agent, forwarder));
        Assert.Empty(PeerChecks.OwnForwarder(agent, new NodeDocument { Node = new NodeSection { ClusterId = 300, MaxConnectedClusters = 511 }, Routing = new RoutingSection { Mode = "tunnel" } }));
        Assert.Empty(PeerChecks.OwnForwarder(agent, null));
        Assert.Equal("vxlan", EtcdClientFile.Parse("endpoints: [http://a:1]\nrouting-mode: vxlan\n", out _)!.RoutingMode);
        LocalObjects objects = LocalObjects.Empty with
        {
            Services = LocalObjects.Empty.Services.Add("default/web", new ServiceObject("default", "web") { Annotations = new Dictionary<string, string> { ["service.cilium.io/global"] = "true" } }),
        };
        Assert.Equal(
            "service default/web is global here and cluster east shares none of that name; apply and annotate it there too to have its backends",
            Assert.Single(PeerChecks.Hints(objects, new MeshState().Current, ["east"])));
    }

    /// <summary>enable on a cluster whose etcd takes certificates: users and roles, and again without harm.</summary>
    [Fact]
    public async Task Users_are_set_up_where_that_shuts_nobody_out()
    {
        Assert.Contains("role 'remote' may read cilium/state/*", await EtcdAccess.EnsureAsync(Settings("root"), "east", TimeProvider.System, CancellationToken.None));
        Assert.Equal(["users and roles of the cluster's etcd are as they should be"], await EtcdAccess.EnsureAsync(Settings("root"), "east", TimeProvider.System, CancellationToken.None));
        await using EtcdServer open = EtcdServer.WithTls("--cert-file", At("server.crt"), "--key-file", At("server.key"));
        await open.InitializeAsync();
        Assert.Contains("etcd asks for no client certificate", await RefusedAsync(Settings("root") with { Endpoints = [open.Endpoint] }));
        Assert.Contains("its client file names none", await RefusedAsync(Settings("root") with { CertFile = null }));
        Assert.Contains("is that of user 'remote'", await RefusedAsync(Settings("remote")));
    }

    public async ValueTask DisposeAsync()
    {
        await _store.DisposeAsync();
        await _etcd.DisposeAsync();
        _ca.Dispose();
        Directory.Delete(_root, recursive: true);
    }

    private static async Task<string> RefusedAsync(EtcdSettings settings) =>
        (await Assert.ThrowsAsync<StoreException>(() => EtcdAccess.EnsureAsync(settings, "east", TimeProvider.System, CancellationToken.None))).Message;

    private static Task<IReadOnlyList<string>> ProbeAsync(EtcdSettings settings) =>
        new EndpointProbe(settings.Endpoints[0], settings, TimeProvider.System).RunAsync(CancellationToken.None);

    private async Task<string[]> TroubleshootAsync(string? store = null)
    {
        Directory.CreateDirectory(At("clustermesh"));
        await File.WriteAllTextAsync(Path.Combine(At("clustermesh"), "east"), ClientFile("remote"));
        AgentSettings settings = AgentSettings.Parse("agent.yaml", $$"""
            cluster: {name: west, id: 1}
            node: {name: west-worker, addresses: [172.18.0.5]}
            store: {{store ?? $"{{directory: {At("store")}}}"}}
            remote: {directory: {{At("clustermesh")}}}
            forwarder: {socket: {{At("none.sock")}}}
            socket: {{At("agent.sock")}}
            """);
        await using AgentRuntime agent = AgentRuntime.Start(settings, TimeProvider.System, _ => { });
        await agent.Remotes.Scanned.Task;
        await Eventually.TrueAsync(() => store is null || agent.Store is EtcdStore { ClusterId: not 0 }, () => agent.Store.Health);
        return [.. await Troubleshoot.RunAsync(agent, null, TimeProvider.System, CancellationToken.None)];
    }

    private void Client(string user, DateTimeOffset from)
    {
        using X509Certificate2 certificate = MeshCertificates.CreateClient(_ca, user, from);
        MeshCertificates.Write(certificate, At($"{user}.crt"), At($"{user}.key"));
    }

    private void Server(DateTimeOffset from)
    {
        using X509Certificate2 certificate = MeshCertificates.CreateServer(_ca, from);
        MeshCertificates.Write(certificate, At("server.crt"), At("server.key"));
    }

    /// <summary>One that held long ago and will, so that what it signs may be old.</summary>
    private static X509Certificate2 LongLivedCa(DateTimeOffset now)
    {
        using ECDsa key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        CertificateRequest request = new("CN=test CA", key, HashAlgorithmName.SHA256);
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(true, false, 0, true));
        request.CertificateExtensions.Add(new X509SubjectKeyIdentifierExtension(request.PublicKey, false));
        return request.CreateSelfSigned(now.AddYears(-10), now.AddYears(10));
    }

    private string At(string file) => Path.Combine(_root, file);

    private EtcdSettings Settings(string user) => _etcd.Settings with { TrustedCaFile = At("ca.crt"), CertFile = At($"{user}.crt"), KeyFile = At($"{user}.key") };

    private string ClientFile(string user) => $"endpoints: [\"{_etcd.Url}\"]\ntrusted-ca-file: {At("ca.crt")}\ncert-file: {At($"{user}.crt")}\nkey-file: {At($"{user}.key")}\n";

    private Task<bool> PutAsync(string key, string? value) => _store.CommitAsync([new StoreWrite(key, value is null ? (ReadOnlyMemory<byte>?)null : System.Text.Encoding.UTF8.GetBytes(value))]);
}
