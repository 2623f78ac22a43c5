using System.Net;
using System.Net.Sockets;
using ClusterMesh.Datapath.Io;
using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.Forwarder.Tests;

/// <summary>
/// The namespaces around one node of one test: its pods a, b and c, its host, and a node network with a bridge and one machine of the
/// world on it. Everything has the test process's id in its name and goes with the test, at the latest when the test process ends.
/// </summary>
internal sealed class World : IDisposable
{
    public const string WorldAddress = "172.18.0.1";

    private static readonly string s_run = $"cmf{Environment.ProcessId}-";
    private static int s_count;
    private readonly string _prefix;

    static World() => AppDomain.CurrentDomain.ProcessExit += (_, _) => RemoveAll(s_run);

    public World()
    {
        Assert.SkipUnless(Environment.IsPrivilegedProcess && File.Exists("/dev/net/tun"), "needs root and /dev/net/tun");
        _prefix = $"{s_run}{Interlocked.Increment(ref s_count)}-";
        RunDirectory = Directory.CreateTempSubdirectory("cmesh-").FullName;
        foreach (string name in (string[])["a", "b", "c", "host", "net", "world"])
        {
            Add(name);
        }

        Ip("net", "link add br0 type bridge");
        Ip("net", "link set br0 up");
        Ip("net", $"link add world type veth peer name eth0 netns {Namespace("world")}");
        Ip("net", "link set world master br0 up");
        Ip("world", $"address add {WorldAddress}/16 dev eth0");
        Ip("world", "link set eth0 up");
    }

    public string RunDirectory { get; }

    /// <summary>This kernel's TUN cuts super-packets behind outer headers (Linux 6.17).</summary>
    public bool HasTunnelOffload
    {
        get
        {
            using TapPort tap = TapDevice.Create(new TapSettings("look", Namespace("world"), "look", 1500) { Offloads = TapOffloads.All | TapOffloads.Tunnels });
            return (tap.Offloads & TapOffloads.Tunnels) != 0;
        }
    }

    public string SocketPath => Path.Combine(RunDirectory, "west-west-worker", "control.sock");

    public string Namespace(string name) => _prefix + name;

    public void Add(string name) => Command.Run("ip", $"netns add {Namespace(name)}");

    public void Remove(string name) => Command.Run("ip", $"netns del {Namespace(name)}");

    /// <summary>ip inside the namespace; fails the test when it fails.</summary>
    public string Ip(string name, string arguments) => Command.Run("ip", $"-n {Namespace(name)} {arguments}");

    public bool HasInterface(string name, string device) => Command.TryRun("ip", $"-n {Namespace(name)} link show dev {device}").Code == 0;

    /// <summary>Whether one of three echo requests is answered within a second each: the first may wait for a neighbour.</summary>
    public bool Ping(string name, string address) => Command.TryRun("ip", $"netns exec {Namespace(name)} ping -n -q -c 3 -i 0.1 -W 1 {address}").Output.Contains(" 0% packet loss", StringComparison.Ordinal);

    /// <summary>A node file of west-worker with the pods a and b; lines of the test come at its end.</summary>
    public string NodeFile(string more = "", string file = "west-worker.yaml")
    {
        string path = Path.Combine(RunDirectory, file);
        File.WriteAllText(path, $"""
            node:
              name: west-worker
              cluster: west
              clusterId: 1
              addresses: [172.18.0.5/16]
              podCIDRs: [10.0.1.0/24]
            host:
              namespace: {Namespace("host")}
            uplink:
              namespace: {Namespace("net")}
              interface: west-worker
              bridge: br0
              gateways: [{WorldAddress}]
            tables:
              conntrackEntries: 65536
              snatEntries: 65536
            endpoints:
              - name: default/a
                namespace: {Namespace("a")}
                addresses: [10.0.1.11]
              - name: default/b
                namespace: {Namespace("b")}
                addresses: [10.0.1.12]
            {more}
            """ + "\n");
        return path;
    }

    /// <summary>A socket that lives in the namespace, whatever thread uses it.</summary>
    public Socket Socket(string name, SocketType type)
    {
        using NetworkNamespace ns = NetworkNamespace.Open(Namespace(name));
        return ns.Run(() => new Socket(AddressFamily.InterNetwork, type, type == SocketType.Stream ? ProtocolType.Tcp : ProtocolType.Udp));
    }

    /// <summary>Listens in the namespace.</summary>
    public Socket Listen(string name, int port)
    {
        Socket socket = Socket(name, SocketType.Stream);
        socket.Bind(new IPEndPoint(IPAddress.Any, port));
        socket.Listen();
        return socket;
    }

    /// <summary>Connects from one namespace to an address and returns who the listener saw.</summary>
    public string Connect(string name, string address, int port, Socket listener)
    {
        using Socket client = Socket(name, SocketType.Stream);
        Task connected = client.ConnectAsync(IPEndPoint.Parse($"{address}:{port}"));
        Assert.True(connected.Wait(TimeSpan.FromSeconds(5)), $"{name} got no answer from {address}:{port}");
        using Socket server = listener.Accept();
        return ((IPEndPoint)server.RemoteEndPoint!).Address.ToString();
    }

    /// <summary>As <see cref="Connect"/>, where any of the listeners may be chosen.</summary>
    public async Task<string> ConnectAnyAsync(string name, string address, int port, Socket[] listeners)
    {
        using Socket client = Socket(name, SocketType.Stream);
        await client.ConnectAsync(IPEndPoint.Parse($"{address}:{port}")).WaitAsync(TimeSpan.FromSeconds(5));
        Task<Socket> accepted = await Task.WhenAny(listeners.Select(l => l.AcceptAsync())).WaitAsync(TimeSpan.FromSeconds(5));
        using Socket server = await accepted;
        return ((IPEndPoint)server.RemoteEndPoint!).Address.ToString();
    }

    public void Dispose()
    {
        RemoveAll(_prefix);
        Directory.Delete(RunDirectory, recursive: true);
    }

    private static void RemoveAll(string prefix)
    {
        foreach (string path in Directory.Exists("/run/netns") ? Directory.GetFiles("/run/netns", prefix + "*") : [])
        {
            Command.TryRun("ip", $"netns del {Path.GetFileName(path)}");
        }
    }
}
