using System.Security.Cryptography.X509Certificates;
using ClusterMesh.Datapath.Mesh.Certificates;
using ClusterMesh.Datapath.Mesh.Remote;
using ClusterMesh.Datapath.Mesh.Store;
using ClusterMesh.Datapath.Mesh.Tests.Remote;

namespace ClusterMesh.Datapath.Mesh.Tests.Store;

/// <summary>Users and roles on a real etcd that knows its clients by their certificates.</summary>
public sealed class EtcdUsersTests : IAsyncLifetime
{
    private readonly string _pki = Directory.CreateTempSubdirectory("cmesh-users-").FullName;
    private EtcdServer _etcd = null!;
    private EtcdStore _root = null!;

    public async ValueTask InitializeAsync()
    {
        using X509Certificate2 ca = MeshCertificates.CreateCa(DateTimeOffset.UtcNow);
        MeshCertificates.Write(ca, Path("ca.crt"), Path("ca.key"));
        using X509Certificate2 server = MeshCertificates.CreateServer(ca, DateTimeOffset.UtcNow);
        MeshCertificates.Write(server, Path("server.crt"), Path("server.key"));
        foreach (string user in (string[])["root", "admin-east", "local-east", "remote", "stranger"])
        {
            using X509Certificate2 client = MeshCertificates.CreateClient(ca, user, DateTimeOffset.UtcNow);
            MeshCertificates.Write(client, Path($"{user}.crt"), Path($"{user}.key"));
        }

        _etcd = EtcdServer.WithTls("--cert-file", Path("server.crt"), "--key-file", Path("server.key"), "--client-cert-auth", "--trusted-ca-file", Path("ca.crt"));
        await _etcd.InitializeAsync();
        _root = As("root");
    }

    [Fact]
    public async Task The_user_remote_reads_what_is_published_and_nothing_else()
    {
        await using RemoteEtcd east = new(Settings("admin-east"));
        await east.FillAsync();
        await east.PutAsync("cilium/cluster-config/north", """{"id":9}""");
        await east.PutAsync("cmesh/objects/v1/pods/default/secret", "{}");
        IReadOnlyList<string> lines = await new EtcdUsers(_root, "east").EnsureAsync("root");
        Assert.Contains("role 'remote' may read cilium/state/*", lines);
        Assert.Contains("role 'remote' may read cilium/cluster-config/east", lines);
        Assert.Contains("user 'remote' has role 'remote'", lines);

        // All that a remote cluster asks for is allowed: the handshake goes through.
        MeshState state = new();
        using CancellationTokenSource stop = new();
        using RemoteCluster cluster = new(
            new RemoteFile("east", "east", "", Settings("remote")), new RemoteOptions("west", 1), state, new ClusterIds(1), TimeProvider.System, _ => { });
        Task running = cluster.RunAsync(stop.Token);
        await Eventually.TrueAsync(() => cluster.Status is { IsReady: true, ServiceCount: 1, NodeCount: 1 }, () => cluster.Status);
        await stop.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => running);

        await using EtcdStore remote = As("remote");
        Assert.NotNull(await remote.GetAsync("cilium/.heartbeat"));
        foreach (Func<Task> forbidden in (Func<Task>[])
        [
            () => remote.CommitAsync([new StoreWrite("cilium/state/nodes/v1/east/mine", "{}"u8.ToArray())]),
            () => remote.CommitAsync([new StoreWrite("cilium/cluster-config/east", null)]),
            () => remote.GetAsync("cilium/cluster-config/north"),
            () => remote.GetAsync("cmesh/objects/v1/pods/default/secret"),
            () => remote.ListAsync("cilium/", null, 10),
            () => remote.ListAsync("cilium/cache/", null, 10),
            () => new EtcdUsers(remote, "east").EnsureAsync("root"),
            () => StrangerAsync(),
        ])
        {
            StoreException fault = await Assert.ThrowsAsync<StoreException>(forbidden);
            Assert.Equal(StoreFault.Denied, fault.Fault);
            Assert.Contains("look at the user's role", fault.Message);
        }
    }

    [Fact]
    public async Task The_user_local_reads_the_copies_and_agents_do_everything()
    {
        await new EtcdUsers(_root, "east").EnsureAsync("root");
        await using EtcdStore admin = As("admin-east");
        await admin.CommitAsync([new StoreWrite("cilium/cache/nodes/v1/north/n", "{}"u8.ToArray()), new StoreWrite("cilium/cluster-config/north", "{}"u8.ToArray())]);
        await using EtcdStore local = As("local-east");
        Assert.Single((await local.ListAsync("cilium/cache/", null, 10)).Entries);
        Assert.NotNull(await local.GetAsync("cilium/cluster-config/north"));
        Assert.Equal(StoreFault.Denied, (await Assert.ThrowsAsync<StoreException>(() => local.ListAsync("cilium/state/", null, 10))).Fault);
        Assert.Equal(StoreFault.Denied, (await Assert.ThrowsAsync<StoreException>(() => local.CommitAsync([new StoreWrite("cilium/cache/x", null)]))).Fault);
    }

    [Fact]
    public async Task Repeated_it_changes_nothing_and_rights_that_grew_are_cut_back()
    {
        Assert.NotEmpty(await new EtcdUsers(_root, "east").EnsureAsync("root"));
        await using EtcdStore admin = As("admin-east");
        Assert.Empty(await new EtcdUsers(admin, "east").EnsureAsync("admin-east"));
        string[] tls = ["--endpoints", _etcd.Url, "--cacert", Path("ca.crt"), "--cert", Path("root.crt"), "--key", Path("root.key")];
        await EtcdServer.ControlAsync([.. tls, "role", "grant-permission", "remote", "readwrite", "cilium/state/", "cilium/state0"]);
        await EtcdServer.ControlAsync([.. tls, "user", "grant-role", "remote", "root"]);
        IReadOnlyList<string> lines = await new EtcdUsers(admin, "east").EnsureAsync("admin-east");
        Assert.Equal(
            ["role 'remote' may not readwrite cilium/state/ any more", "role 'remote' may read cilium/state/*", "user 'remote' has role 'root' no more"], lines);
        Assert.Empty(await new EtcdUsers(admin, "east").EnsureAsync("admin-east"));
    }

    [Fact]
    public async Task Who_would_be_shut_out_is_refused_before_anything_is_changed()
    {
        await using EtcdStore remote = As("remote");
        StoreException fault = await Assert.ThrowsAsync<StoreException>(() => new EtcdUsers(remote, "east").EnsureAsync("remote"));
        Assert.Equal("the client certificate is that of user 'remote'; users and roles of cluster east are set up by 'root' or 'admin-east', and 'remote' would be shut out", fault.Message);
        await remote.CommitAsync([new StoreWrite("still", "open"u8.ToArray())]);
    }

    public async ValueTask DisposeAsync()
    {
        await _root.DisposeAsync();
        await _etcd.DisposeAsync();
        Directory.Delete(_pki, recursive: true);
    }

    private async Task StrangerAsync()
    {
        await using EtcdStore stranger = As("stranger");
        await stranger.GetAsync("cilium/.heartbeat");
    }

    private string Path(string file) => System.IO.Path.Combine(_pki, file);

    private EtcdSettings Settings(string user) => _etcd.Settings with { TrustedCaFile = Path("ca.crt"), CertFile = Path($"{user}.crt"), KeyFile = Path($"{user}.key") };

    private EtcdStore As(string user) => new(Settings(user));
}
