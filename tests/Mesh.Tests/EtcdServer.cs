using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using ClusterMesh.Datapath.Mesh.Store;

namespace ClusterMesh.Datapath.Mesh.Tests;

/// <summary>A real etcd on loopback ports of its own, with a data directory of its own; ended by its process.</summary>
public sealed class EtcdServer : IAsyncLifetime
{
    private const int FirstPort = 20_000;
    private const int PortCount = 12_000;

    /// <summary>Begins elsewhere in each process, since several test programs run at once.</summary>
    private static int s_lastPort = Random.Shared.Next(PortCount);
    private readonly string _directory = Directory.CreateTempSubdirectory("cmesh-etcd-").FullName;
    private readonly int _peerPort = FreePort();
    private readonly string[] _tls;
    private Process? _process;

    public EtcdServer()
        : this(FreePort(), [])
    {
    }

    private EtcdServer(int port, string[] tls)
    {
        Port = port;
        _tls = tls;
    }

    /// <summary>One that speaks TLS; give etcd's own options for its certificates.</summary>
    public static EtcdServer WithTls(params string[] tls) => new(FreePort(), tls);

    /// <summary>One with options of its own, without TLS.</summary>
    public static EtcdServer With(params string[] options) => new(FreePort(), []) { Options = options };

    public static EtcdServer WithTls(int port, params string[] tls) => new(port, tls);

    public int Port { get; }

    private string[] Options { get; init; } = [];

    private string Scheme => _tls.Length > 0 ? "https" : "http";

    public Uri Endpoint => new($"{Scheme}://127.0.0.1:{Port}");

    public string Url => Endpoint.GetLeftPart(UriPartial.Authority);

    public EtcdSettings Settings => new([Endpoint]);

    /// <summary>
    /// A port that nobody listens on, below those that the kernel gives to connections: one of these could take it before etcd does. No
    /// two calls of a run give the same.
    /// </summary>
    public static int FreePort()
    {
        while (true)
        {
            int port = FirstPort + (int)((uint)Interlocked.Increment(ref s_lastPort) % PortCount);
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

    public async ValueTask InitializeAsync()
    {
        Start();
        await ReadyAsync();
    }

    /// <summary>Kills it as a crash does.</summary>
    public async Task KillAsync()
    {
        _process!.Kill();
        await _process.WaitForExitAsync();
    }

    /// <param name="wiped">Another etcd, with another cluster id, begins there with nothing.</param>
    public async Task RestartAsync(bool wiped = false)
    {
        await KillAsync();
        if (wiped)
        {
            Directory.Delete(Path.Combine(_directory, "data"), recursive: true);
        }

        Start(wiped ? "replaced" : "first");
        await ReadyAsync();
    }

    /// <summary>A copy of all it holds; give it to <see cref="RestoreAsync"/>.</summary>
    public async Task<string> SnapshotAsync()
    {
        string path = Path.Combine(_directory, "snapshot");
        await ControlAsync("--endpoints", Url, "snapshot", "save", path);
        return path;
    }

    /// <summary>Kills it; in its place begins another etcd, with another cluster id, that holds the copy.</summary>
    public async Task RestoreAsync(string snapshot)
    {
        await KillAsync();
        string data = Path.Combine(_directory, "data");
        Directory.Delete(data, recursive: true);
        await ControlAsync("snapshot", "restore", snapshot, "--data-dir", data, "--name", "test", "--initial-cluster", $"test=http://127.0.0.1:{_peerPort}",
            "--initial-advertise-peer-urls", $"http://127.0.0.1:{_peerPort}", "--initial-cluster-token", $"restored-{Port}");
        Start("restored");
        await ReadyAsync();
    }

    /// <summary>Forgets all history before a revision.</summary>
    public Task CompactAsync(long revision) => ControlAsync("--endpoints", Url, "compact", revision.ToString());

    /// <summary>What etcd's own client prints.</summary>
    public static async Task<string> ControlAsync(params string[] arguments)
    {
        using Process process = Process.Start(new ProcessStartInfo("etcdctl", arguments)
        {
            Environment = { ["ETCDCTL_API"] = "3" },
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        })!;
        Task<string> errors = process.StandardError.ReadToEndAsync();
        string output = await process.StandardOutput.ReadToEndAsync();
        await process.WaitForExitAsync();
        Assert.True(process.ExitCode == 0, await errors);
        return output;
    }

    public async ValueTask DisposeAsync()
    {
        if (_process is { HasExited: false })
        {
            await KillAsync();
        }

        _process?.Dispose();
        Directory.Delete(_directory, recursive: true);
    }

    private void Start(string token = "first")
    {
        string peer = $"http://127.0.0.1:{_peerPort}";
        ProcessStartInfo info = new("etcd",
        [
            "--name", "test", "--data-dir", Path.Combine(_directory, "data"), "--log-level", "error", "--logger", "zap", "--log-outputs", "/dev/null",
            "--listen-client-urls", Url, "--advertise-client-urls", Url,
            "--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer, "--initial-cluster", $"test={peer}",
            "--initial-cluster-token", $"{token}-{Port}", "--heartbeat-interval", "20", "--election-timeout", "200", .. _tls, .. Options,
        ])
        {
            RedirectStandardError = true,
            RedirectStandardOutput = true,
        };
        _process = Process.Start(info) ?? throw new InvalidOperationException("etcd did not start; install etcd-server");
        _process.BeginErrorReadLine();
        _process.BeginOutputReadLine();
    }

    /// <summary>The port takes connections once the member serves clients; a try a connection, as there is no event.</summary>
    private async Task ReadyAsync()
    {
        for (Stopwatch waited = Stopwatch.StartNew(); waited.Elapsed < TimeSpan.FromSeconds(20); await Task.Delay(20))
        {
            using TcpClient client = new();
            try
            {
                await client.ConnectAsync(IPAddress.Loopback, Port);
                return;
            }
            catch (SocketException)
            {
                Assert.False(_process!.HasExited, "etcd has ended at its start");
            }
        }

        Assert.Fail("etcd does not serve after 20 s");
    }
}
