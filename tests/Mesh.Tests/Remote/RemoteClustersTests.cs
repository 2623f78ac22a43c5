using ClusterMesh.Datapath.Mesh.Certificates;
using ClusterMesh.Datapath.Mesh.Remote;
using ClusterMesh.Datapath.Mesh.Schema;

namespace ClusterMesh.Datapath.Mesh.Tests.Remote;

/// <summary>The directory of remote clusters on a real file system, with etcds behind TLS.</summary>
public sealed class RemoteClustersTests : IAsyncLifetime
{
    private readonly string _root = Directory.CreateTempSubdirectory("cmesh-remote-").FullName;
    private readonly List<string> _log = [];
    private EtcdServer _etcd = null!;
    private RemoteEtcd _east = null!;
    private RemoteClusters _clusters = null!;

    private string Mesh => Path.Combine(_root, "clustermesh");

    private string Pki(string file) => Path.Combine(_root, file);

    public async ValueTask InitializeAsync()
    {
        Directory.CreateDirectory(Mesh);
        DateTimeOffset now = TimeProvider.System.GetUtcNow();
        using var ca = MeshCertificates.CreateCa(now);
        using var server = MeshCertificates.CreateServer(ca, now);
        using var client = MeshCertificates.CreateClient(ca, MeshCertificates.RemoteUser, now);
        using var otherCa = MeshCertificates.CreateCa(now);
        MeshCertificates.Write(ca, Pki("ca.crt"), Pki("ca.key"));
        MeshCertificates.Write(server, Pki("server.crt"), Pki("server.key"));
        MeshCertificates.Write(client, Pki("client.crt"), Pki("client.key"));
        MeshCertificates.Write(otherCa, Pki("other-ca.crt"), Pki("other-ca.key"));
        _etcd = EtcdServer.WithTls("--cert-file", Pki("server.crt"), "--key-file", Pki("server.key"), "--client-cert-auth", "--trusted-ca-file", Pki("ca.crt"));
        await _etcd.InitializeAsync();
        _east = new RemoteEtcd(_etcd, Pki("ca.crt"), Pki("client.crt"), Pki("client.key"));
        await _east.FillAsync();
    }

    [Fact]
    public async Task Clusters_come_and_go_with_their_files()
    {
        Start();
        await _clusters.Scanned.Task;
        Assert.Empty(_clusters.Status);
        await File.WriteAllTextAsync(Path.Combine(Mesh, "readme"), "no cluster");
        await File.WriteAllTextAsync(Path.Combine(Mesh, "west"), EtcdConfig());
        await File.WriteAllTextAsync(Path.Combine(Mesh, "East_"), EtcdConfig());
        await WriteAsync("east", EtcdConfig());
        await UntilAsync(() => _clusters.Status is [{ Name: "east", IsReady: true }]);
        Assert.Contains(_log, l => l.EndsWith("East_: cluster name 'East_' is not made of lower-case letters, digits and inner hyphens", StringComparison.Ordinal));
        Assert.Single(_clusters.State.Current.Nodes);
        Assert.Empty(await _clusters.SyncAsync(TimeSpan.FromSeconds(1), CancellationToken.None));

        // The same file again changes nothing; another content is another connection, without a gap.
        RemoteFile before = _clusters.Files[0];
        await WriteAsync("east", EtcdConfig() + "# again\n");
        await UntilAsync(() => _clusters.Files.Count == 1 && _clusters.Files[0].Hash != before.Hash && _clusters.Status[0].IsReady);
        Assert.Single(_clusters.State.Current.Nodes);

        File.Delete(Path.Combine(Mesh, "east"));
        await UntilAsync(() => _clusters.Status.Count == 0);
        Assert.Empty(_clusters.State.Current.Clusters);
        Assert.Contains("cluster east: removed; its nodes, services, addresses and identities are forgotten", _log);
    }

    /// <summary>As a mounted secret: files are links into ..data, which is a link itself and is swapped whole.</summary>
    [Fact]
    public async Task A_swapped_link_is_seen()
    {
        Directory.CreateDirectory(Path.Combine(Mesh, "..one"));
        Directory.CreateDirectory(Path.Combine(Mesh, "..two"));
        await File.WriteAllTextAsync(Path.Combine(Mesh, "..one", "east"), EtcdConfig().Replace(_etcd.Port.ToString(), EtcdServer.FreePort().ToString(), StringComparison.Ordinal));
        await File.WriteAllTextAsync(Path.Combine(Mesh, "..two", "east"), EtcdConfig());
        File.CreateSymbolicLink(Path.Combine(Mesh, "..data"), "..one");
        File.CreateSymbolicLink(Path.Combine(Mesh, "east"), "..data/east");
        Start();
        await UntilAsync(() => _clusters.Status is [{ Name: "east", IsConnected: false }]);
        File.CreateSymbolicLink(Path.Combine(Mesh, "..data_tmp"), "..two");
        using (var swap = System.Diagnostics.Process.Start("mv", ["-T", Path.Combine(Mesh, "..data_tmp"), Path.Combine(Mesh, "..data")]))
        {
            await swap.WaitForExitAsync();
        }

        await UntilAsync(() => _clusters.Status is [{ Name: "east", IsReady: true }]);
    }

    [Fact]
    public async Task A_directory_that_comes_later_is_found()
    {
        Directory.Delete(Mesh);
        Microsoft.Extensions.Time.Testing.FakeTimeProvider time = new(TimeProvider.System.GetUtcNow());
        Start(time);
        await _clusters.Scanned.Task;
        Directory.CreateDirectory(Mesh);
        await WriteAsync("east", EtcdConfig());
        await Eventually.TrueAsync(() => _clusters.Status is [{ IsReady: true }], () => string.Join(" | ", _log), time);
    }

    [Theory]
    [InlineData("other-ca.crt", "client", "127.0.0.1", "is not signed by")]
    [InlineData("missing.crt", "client", "127.0.0.1", "the trusted CA")]
    [InlineData("ca.crt", "missing", "127.0.0.1", "the client certificate")]
    [InlineData("ca.crt", "client", "elsewhere.example", "is not for this name; look at its subject alternative names")]
    public async Task What_is_wrong_with_certificates_is_said(string ca, string client, string host, string sentence)
    {
        Start(aliases: new Dictionary<string, System.Net.IPAddress> { ["elsewhere.example"] = System.Net.IPAddress.Loopback });
        await WriteAsync("east", EtcdConfig(ca, client, host));
        await UntilAsync(() => _clusters.Status is [{ Problem: not null } status] && status.Problem.Contains(sentence, StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_host_alias_leads_to_the_address_and_the_name_is_checked()
    {
        Start(aliases: new Dictionary<string, System.Net.IPAddress> { ["east.mesh.cilium.io"] = System.Net.IPAddress.Loopback });
        await WriteAsync("east", EtcdConfig(host: "east.mesh.cilium.io"));
        await UntilAsync(() => _clusters.Status is [{ IsReady: true }]);
    }

    [Theory]
    [InlineData("endpoints: [https://a:1, http://b:2]\ntrusted-ca-file: c\nother: 1\n", "")]
    [InlineData("endpoints: https://a:1\n", "'endpoints' must be a list of addresses like https://east.mesh.cilium.io:32379")]
    [InlineData("endpoints: [ftp://a]\n", "endpoint 'ftp://a' is no address like https://east.mesh.cilium.io:32379")]
    [InlineData("endpoints: [\n", "this is not valid YAML")]
    [InlineData("endpoints: [[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[", "lists and mappings are nested too deep; no field needs that")]
    public void A_client_file_is_read(string text, string mistake)
    {
        var settings = EtcdClientFile.Parse(text, out string said);
        Assert.Equal(mistake.Length == 0, settings is not null);
        Assert.StartsWith(mistake, said);
    }

    public async ValueTask DisposeAsync()
    {
        if (_clusters is not null)
        {
            await _clusters.DisposeAsync();
        }

        await _east.DisposeAsync();
        await _etcd.DisposeAsync();
        Directory.Delete(_root, recursive: true);
    }

    private string EtcdConfig(string ca = "ca.crt", string client = "client", string host = "127.0.0.1") =>
        $"endpoints:\n- https://{host}:{_etcd.Port}\ntrusted-ca-file: {Pki(ca)}\ncert-file: {Pki(client + ".crt")}\nkey-file: {Pki(client + ".key")}\n";

    private void Start(TimeProvider? time = null, IReadOnlyDictionary<string, System.Net.IPAddress>? aliases = null) => _clusters = new RemoteClusters(
        Mesh, new RemoteOptions("west", 1) { HostAliases = aliases ?? new Dictionary<string, System.Net.IPAddress>() }, time ?? TimeProvider.System, line =>
        {
            lock (_log)
            {
                _log.Add(line);
            }
        });

    private Task WriteAsync(string name, string text) => File.WriteAllTextAsync(Path.Combine(Mesh, name), text);

    private Task UntilAsync(Func<bool> condition) => Eventually.TrueAsync(condition, () => $"{string.Join(';', _clusters.Status)} {string.Join(" | ", _log)}");
}
