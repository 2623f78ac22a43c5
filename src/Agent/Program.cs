using System.Reflection;
using System.Runtime.InteropServices;
using ClusterMesh.Datapath.Agent.Observing;
using ClusterMesh.Datapath.Configuration;
using ClusterMesh.Datapath.Control;
using ClusterMesh.Datapath.Io;
using ClusterMesh.Datapath.Mesh.Store;
using ClusterMesh.Datapath.State;

namespace ClusterMesh.Datapath.Agent;

/// <summary>The program cmesh-agent: the control plane of one node. Reads its file, joins its cluster, runs until told to stop.</summary>
internal static class Program
{
    private const int ExitFailure = 1;
    private const int ExitUsage = 2;
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(5);
    private static readonly LogLimiter s_limiter = new(WriteOut, TimeProvider.System);
    private const string Usage = """
        cmesh-agent: control plane of one node

        usage: cmesh-agent --config AGENT.YAML             run until SIGTERM or SIGINT; it gives up all capabilities and the system calls that it never needs
               cmesh-agent --config AGENT.YAML --no-sandbox the same with all rights, for a debugger
               cmesh-agent --config AGENT.YAML --check     only check the file
               cmesh-agent --config AGENT.YAML --init-etcd set up users and roles of the cluster's etcd, by the certificate of its client file
               cmesh-agent --version | --help

        Exit codes: 0 stopped as asked, 1 could not run, 2 the command line or the file is wrong.
        """;

    /// <summary>The version that was built.</summary>
    public static string Version => typeof(Program).Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()?.InformationalVersion.Split('+')[0] ?? "?";

    public static async Task<int> Main(string[] arguments)
    {
        switch (arguments)
        {
            case ["--version"]:
                Console.WriteLine($"cmesh-agent {Version}");
                return 0;
            case ["--help"] or ["-h"]:
                Console.WriteLine(Usage);
                return 0;
            case ["--config", string path]:
                return await RunAsync(path, checkOnly: false, isSandboxed: true);
            case ["--config", string path, "--no-sandbox"]:
                return await RunAsync(path, checkOnly: false, isSandboxed: false);
            case ["--config", string path, "--check"]:
                return await RunAsync(path, checkOnly: true, isSandboxed: false);
            case ["--config", string path, "--init-etcd"]:
                return await InitEtcdAsync(path);
            default:
                Console.Error.WriteLine(Usage);
                return ExitUsage;
        }
    }

    private static async Task<int> RunAsync(string path, bool checkOnly, bool isSandboxed)
    {
        try
        {
            if (isSandboxed && !Sandbox.IsInside)
            {
                string[] own = Path.GetFileNameWithoutExtension(Environment.ProcessPath!) == "dotnet" ? [Environment.GetCommandLineArgs()[0]] : [];
                Sandbox.Enter(opener: null, user: null, Environment.ProcessPath!, [.. own, "--config", path]);
            }

            AgentSettings settings = AgentSettings.Parse(DocumentReader.Shown(path), DocumentReader.ReadText(path));
            if (checkOnly)
            {
                Console.WriteLine($"{path}: valid");
                return 0;
            }

            var stop = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            using PosixSignalRegistration term = PosixSignalRegistration.Create(PosixSignal.SIGTERM, c => Stop(c, stop));
            using PosixSignalRegistration interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, c => Stop(c, stop));
            using HeapKeeper heap = new(TimeProvider.System);
            await using AgentRuntime agent = AgentRuntime.Start(settings, TimeProvider.System, Log);
            await using ControlServer server = new(settings.SocketPath) { Access = settings.Access, Fault = (where, fault) => Log($"control socket, {where}: {fault}") };
            AgentMethods.Map(server, agent);
            AgentMethods.MapAccess(server, agent, new MeshAccess(settings, TimeProvider.System, agent.Network));
            server.Start();

            // A store that refuses us says more than a socket that is taken, and a forwarder that waits comes before those who look on. Whoever only waits
            // for its store serves what it sees meanwhile.
            await Task.WhenAny(agent.Forwarder.Tried.Task, agent.Ended, stop.Task, Task.Delay(s_patience));
            await using ObserveHost? observe = agent.Ended.IsCompleted || stop.Task.IsCompleted ? null : await ObserveHost.StartAsync(agent, Version, TimeProvider.System, Log);
            using ServiceNotifier manager = ServiceNotifier.FromEnvironment(Log);
            string node = $"node {settings.Node} of cluster {settings.Cluster}";
            manager.Ready($"{node} is served");

            // On a thread of the pool, as everything else here: an agent that has none left tells nothing.
            await using Timer? beat = manager.WatchdogInterval is { } interval ? new Timer(_ => manager.Beat(), null, TimeSpan.Zero, interval / 3) : null;
            Announce($"cmesh-agent {Version}: node {settings.Node} of cluster {settings.Cluster} (id {settings.ClusterId}); control socket {settings.SocketPath}");
            await await Task.WhenAny(stop.Task, agent.Ended);
            manager.Stopping($"{node} stops");
            return 0;
        }
        catch (ConfigurationException e)
        {
            Console.Error.WriteLine($"cmesh-agent: {e.Message}");
            return ExitUsage;
        }
        catch (Exception e) when (e is StoreException or ControlConnectionException or DeviceException)
        {
            Console.Error.WriteLine($"cmesh-agent: {e.Message}");
            return ExitFailure;
        }
    }

    private static async Task<int> InitEtcdAsync(string path)
    {
        try
        {
            AgentSettings settings = AgentSettings.Parse(DocumentReader.Shown(path), DocumentReader.ReadText(path));
            string etcd = settings.EtcdConfig ?? throw new ConfigurationException($"{path}: store.etcd names no etcd, so that there are no users to set up");
            foreach (string line in await EtcdAccess.EnsureAsync(AgentRuntime.ReadEtcdConfig(etcd, settings), settings.Cluster, TimeProvider.System, CancellationToken.None))
            {
                Console.WriteLine(line);
            }

            return 0;
        }
        catch (ConfigurationException e)
        {
            Console.Error.WriteLine($"cmesh-agent: {e.Message}");
            return ExitUsage;
        }
        catch (StoreException e)
        {
            Console.Error.WriteLine($"cmesh-agent: {e.Message}");
            return ExitFailure;
        }
    }

    /// <summary>Nobody may be able to read it: the agent goes on all the same.</summary>
    private static void Announce(string line)
    {
        try
        {
            Console.WriteLine(line);
        }
        catch (IOException)
        {
            // As in WriteOut.
        }
    }

    private static void Log(string line) => s_limiter.Write(line);

    private static void WriteOut(string line)
    {
        try
        {
            Console.Error.WriteLine($"cmesh-agent: {line}");
        }
        catch (IOException)
        {
            // The disk of the log is full: the node is configured on without a word.
        }
    }

    private static void Stop(PosixSignalContext context, TaskCompletionSource stop)
    {
        context.Cancel = true;
        stop.TrySetResult();
    }
}
