using System.Diagnostics;
using System.Security.Cryptography.X509Certificates;
using ClusterMesh.Datapath.Mesh.Certificates;
using ClusterMesh.Datapath.Mesh.Remote;
using ClusterMesh.Datapath.Mesh.Store;
using Microsoft.Extensions.Time.Testing;

namespace ClusterMesh.Datapath.Mesh.Tests.Remote;

/// <summary>What another cluster's etcd, clock and certificates can do to us, each on a real etcd.</summary>
public sealed class HostileEtcdTests : IAsyncDisposable
{
    private readonly List<string> _log = [];
    private readonly MeshState _state = new();
    private readonly CancellationTokenSource _stop = new();
    private readonly string _pki = Directory.CreateTempSubdirectory("cmesh-hostile-").FullName;
    private RemoteCluster? _cluster;
    private Task _running = Task.CompletedTask;

    /// <summary>An etcd that takes 16 MB: values of 10 MB, keys that are no text, thousands of wrong records; what is right counts all the same.</summary>
    [Fact]
    public async Task Values_of_10_MB_and_keys_that_are_no_text_do_not_keep_the_others_out()
    {
        await using EtcdServer etcd = EtcdServer.With("--max-request-bytes", "16777216");
        await etcd.InitializeAsync();
        await using RemoteEtcd east = new(etcd);
        await east.Store.CommitAsync([new StoreWrite("cilium/state/nodes/v1/east/huge", new byte[10_000_000])]);
        await RunAsync("bash", "-c", $"ETCDCTL_API=3 etcdctl --endpoints {etcd.Url} put \"$(printf 'cilium/state/ip/v1/default/\\xff\\xfe')\" value");
        foreach (int[] chunk in Enumerable.Range(0, 5_120).Chunk(128))
        {
            await east.Store.CommitAsync([.. chunk.Select(i => new StoreWrite($"cilium/state/identities/v1/id/{i}", "k8s:a=b;"u8.ToArray()))]);
        }

        await east.FillAsync();
        Start(east, TimeProvider.System);
        await UntilAsync(() => _cluster!.Status is { IsReady: true, NodeCount: 1, EndpointCount: 1, IdentityCount: 1, ServiceCount: 1 });
        Assert.InRange(_cluster!.Status.RefusedCount, 5_121, 5_123);
        Assert.NotNull(_cluster.Status.LastRefusal);
        Assert.InRange(_log.Count, 1, 110);
        Assert.All(_log, l => Assert.InRange(l.Length, 1, 500));

        // While it is watched, too.
        await east.Store.CommitAsync([new StoreWrite("cilium/state/services/v1/east/default/huge", new byte[10_000_000])]);
        await east.ServiceAsync("after", "10.1.1.9");
        await UntilAsync(() => _cluster.Status.ServiceCount == 2);
    }

    /// <summary>The time of day is set a year on and two years back: nothing is forgotten, no connection ends, the age stays an age.</summary>
    [Fact]
    public async Task A_clock_that_jumps_ends_nothing()
    {
        await using EtcdServer etcd = new();
        await etcd.InitializeAsync();
        await using RemoteEtcd east = new(etcd);
        await east.FillAsync();
        FakeTimeProvider steady = new(DateTimeOffset.UnixEpoch.AddYears(56));
        JumpingTime time = new(steady);
        Start(east, time);
        await UntilAsync(() => _cluster!.Status.IsReady, steady);
        foreach (int days in (int[])[365, -365])
        {
            time.Jump = TimeSpan.FromDays(days);
            for (int i = 0; i < 5; i++)
            {
                steady.Advance(TimeSpan.FromSeconds(20));
                await east.HeartbeatAsync();
                await UntilAsync(() => _cluster!.Status.DataAge < TimeSpan.FromSeconds(1));
            }

            await UntilAsync(() => _cluster!.Status is { IsReady: true, ServiceCount: 1 } status && status.DataAge is TimeSpan age && age >= TimeSpan.Zero && age < TimeSpan.FromMinutes(2));
        }

        Assert.Equal(0, _cluster!.Status.FailureCount);
        // The beats told the time of 2026-11-23; ours is far from it, and that is known.
        await east.HeartbeatAsync();
        await UntilAsync(() => _cluster.Status.ClockSkew is TimeSpan skew && skew.Duration() > TimeSpan.FromDays(100));
    }

    [Fact]
    public async Task Leases_of_the_file_store_outlive_a_jump()
    {
        FakeTimeProvider steady = new();
        JumpingTime time = new(steady);
        await using EmbeddedStore store = EmbeddedStore.Open(_pki, time);
        long lease = await store.GrantLeaseAsync(TimeSpan.FromMinutes(15));
        await store.CommitAsync([new StoreWrite("a", "b"u8.ToArray(), lease)]);
        time.Jump = TimeSpan.FromDays(1);
        steady.Advance(TimeSpan.FromMinutes(14));
        Assert.True(await store.KeepLeaseAliveAsync(lease));
        time.Jump = TimeSpan.FromDays(-1);
        steady.Advance(TimeSpan.FromMinutes(16));
        await Eventually.TrueAsync(() => store.Count == 0, () => store.Count);
    }

    /// <summary>New certificates on both sides while a watch runs: it goes on, and the next connection uses the new ones. With an expired one it is said.</summary>
    [Fact]
    public async Task Certificates_are_rotated_without_an_outage_and_expired_ones_are_said()
    {
        DateTimeOffset now = DateTimeOffset.UtcNow;
        using X509Certificate2 ca = MeshCertificates.CreateCa(now - MeshCertificates.CaLifetime + TimeSpan.FromDays(5));
        MeshCertificates.Write(ca, At("ca.crt"), At("ca.key"));
        Issue(ca, now);
        await using EtcdServer etcd = EtcdServer.WithTls("--cert-file", At("server.crt"), "--key-file", At("server.key"), "--client-cert-auth", "--trusted-ca-file", At("ca.crt"));
        await etcd.InitializeAsync();
        await using RemoteEtcd east = new(etcd.Settings with { TrustedCaFile = At("ca.crt"), CertFile = At("client.crt"), KeyFile = At("client.key") });
        await east.FillAsync();
        Start(east, TimeProvider.System);
        await UntilAsync(() => _cluster!.Status.IsReady);
        string before = await File.ReadAllTextAsync(At("client.crt"));
        Issue(ca, now);
        Assert.NotEqual(before, await File.ReadAllTextAsync(At("client.crt")));
        await east.ServiceAsync("after-rotation", "10.1.1.8");
        await UntilAsync(() => _cluster!.Status.ServiceCount == 2);
        Assert.Equal(0, _cluster!.Status.FailureCount);

        // The old pair is gone from the disk: only the new one can have made this connection.
        await etcd.RestartAsync();
        await UntilAsync(() => _cluster.Status.IsReady);

        await etcd.KillAsync();
        IssueServer(ca, now - MeshCertificates.LeafLifetime - TimeSpan.FromHours(2));
        await etcd.RestartAsync();
        await UntilAsync(() => _cluster.Status.Problem is string problem && problem.Contains(", not now", StringComparison.Ordinal));
        Assert.Equal(2, _cluster.Status.ServiceCount);
        Issue(ca, now);
        await UntilAsync(() => _cluster.Status is { IsReady: true, Problem: null });
    }

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        await Task.WhenAny(_running);
        _cluster?.Dispose();
        Directory.Delete(_pki, recursive: true);
    }

    private static async Task RunAsync(string program, params string[] arguments)
    {
        using Process process = Process.Start(new ProcessStartInfo(program, arguments) { RedirectStandardOutput = true })!;
        await process.StandardOutput.ReadToEndAsync();
        await process.WaitForExitAsync();
        Assert.Equal(0, process.ExitCode);
    }

    private void Start(RemoteEtcd east, TimeProvider time)
    {
        _cluster = new RemoteCluster(east.File, new RemoteOptions("west", 1), _state, new ClusterIds(1), time, line =>
        {
            lock (_log)
            {
                _log.Add(line);
            }
        });
        _running = _cluster.RunAsync(_stop.Token);
    }

    private void Issue(X509Certificate2 ca, DateTimeOffset from)
    {
        IssueServer(ca, from);
        using X509Certificate2 client = MeshCertificates.CreateClient(ca, "client", from);
        MeshCertificates.Write(client, At("client.crt"), At("client.key"));
    }

    private void IssueServer(X509Certificate2 ca, DateTimeOffset from)
    {
        using X509Certificate2 server = MeshCertificates.CreateServer(ca, from);
        MeshCertificates.Write(server, At("server.crt"), At("server.key"));
    }

    private string At(string file) => Path.Combine(_pki, file);

    private Task UntilAsync(Func<bool> condition, FakeTimeProvider? time = null) => Eventually.TrueAsync(
        condition, () => $"{_cluster!.Status} {string.Join(" | ", _log.TakeLast(5))}", time, time is null ? null : TimeSpan.FromMilliseconds(50));
}
