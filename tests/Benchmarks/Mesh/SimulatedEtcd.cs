using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using ClusterMesh.Datapath.Mesh.Store;

namespace ClusterMesh.Datapath.Benchmarks.Mesh;

/// <summary>A real etcd on loopback with some simulated clusters in it.</summary>
internal sealed class SimulatedEtcd : IAsyncDisposable
{
    private const int FirstPort = 24_000;
    private const int WritesInFlight = 8;
    private static readonly TimeSpan s_startLimit = TimeSpan.FromSeconds(30);
    private static int s_lastPort = FirstPort + (Environment.ProcessId % 1000 * 8);

    private readonly Process _process;

    private SimulatedEtcd(Process process, Uri endpoint) => (_process, Endpoint, Store) = (process, endpoint, new EtcdStore(new EtcdSettings([endpoint])));

    public Uri Endpoint { get; }

    public EtcdStore Store { get; }

    public static async Task<SimulatedEtcd> StartAsync(string directory, string name)
    {
        Uri client = new($"http://127.0.0.1:{FreePort()}");
        string peer = $"http://127.0.0.1:{FreePort()}";
        string url = client.GetLeftPart(UriPartial.Authority);
        Process process = Process.Start(new ProcessStartInfo("etcd",
        [
            "--name", name, "--data-dir", Path.Combine(directory, name), "--log-level", "error", "--logger", "zap", "--log-outputs", "/dev/null", "--unsafe-no-fsync",
            "--quota-backend-bytes", "8589934592", "--listen-client-urls", url, "--advertise-client-urls", url, "--listen-peer-urls", peer,
            "--initial-advertise-peer-urls", peer, "--initial-cluster", $"{name}={peer}", "--initial-cluster-token", $"{name}-{client.Port}",
        ])
        { RedirectStandardError = true, RedirectStandardOutput = true }) ?? throw new InvalidOperationException("etcd did not start; install etcd-server");
        process.BeginErrorReadLine();
        process.BeginOutputReadLine();
        SimulatedEtcd etcd = new(process, client);
        for (Stopwatch waited = Stopwatch.StartNew(); ; await Task.Delay(50))
        {
            try
            {
                await etcd.Store.GetAsync("ready");
                return etcd;
            }
            catch (StoreException) when (!process.HasExited && waited.Elapsed < s_startLimit)
            {
                // Not serving yet.
            }
        }
    }

    /// <summary>Writes clusters, each one's configuration last.</summary>
    public async Task FillAsync(IEnumerable<SimulatedCluster> clusters)
    {
        using SemaphoreSlim room = new(WritesInFlight);
        foreach (SimulatedCluster cluster in clusters)
        {
            List<Task> writing = [];
            foreach (StoreWrite[] chunk in cluster.Records().Chunk(StoreWrite.MostAtOnce))
            {
                await room.WaitAsync();
                writing.Add(WriteAsync(chunk, room));
            }

            await Task.WhenAll(writing);
            await Store.CommitAsync([cluster.Config()]);
        }
    }

    public Task BeatAsync() => Store.CommitAsync([new StoreWrite("cilium/.heartbeat", System.Text.Encoding.ASCII.GetBytes($"{DateTime.UtcNow:yyyy-MM-dd'T'HH:mm:ss'Z'}"))]);

    public async ValueTask DisposeAsync()
    {
        await Store.DisposeAsync();
        _process.Kill();
        await _process.WaitForExitAsync();
        _process.Dispose();
    }

    private async Task WriteAsync(StoreWrite[] chunk, SemaphoreSlim room)
    {
        try
        {
            await Store.CommitAsync(chunk);
        }
        finally
        {
            room.Release();
        }
    }

    private static int FreePort()
    {
        while (true)
        {
            int port = Interlocked.Increment(ref s_lastPort);
            using Socket socket = new(SocketType.Stream, ProtocolType.Tcp);
            try
            {
                socket.Bind(new IPEndPoint(IPAddress.Loopback, port));
                return port;
            }
            catch (SocketException)
            {
                // Somebody's; the next one.
            }
        }
    }
}
