using System.Globalization;
using System.Reflection;
using System.Runtime.InteropServices;
using ClusterMesh.Datapath.Configuration;
using ClusterMesh.Datapath.Control;
using ClusterMesh.Datapath.Forwarder.Watching;
using ClusterMesh.Datapath.Io;
using ClusterMesh.Datapath.State;

namespace ClusterMesh.Datapath.Forwarder;

/// <summary>The program cmesh-forwarder: the data plane of one node. Reads the node file, brings the node up, runs until told to stop.</summary>
internal static class Program
{
    private const int ExitFailure = 1;
    private const int ExitUsage = 2;

    public static async Task<int> Main(string[] arguments)
    {
        switch (arguments)
        {
            case ["--version"]:
                Console.WriteLine($"cmesh-forwarder {Version}");
                return 0;
            case ["--help"] or ["-h"]:
                Console.WriteLine(ForwarderOptions.Usage);
                return 0;
            case ["--keeper", string socketPath]:
                return RunKeeper(socketPath);
            case ["--opener", string socket]:
                PortOpenerProcess.Run(int.Parse(socket, CultureInfo.InvariantCulture));
                return 0;
            case ["--in-sandbox", string program, .. string[] rest]:
                return TrySandbox(program, rest);
            case ["--stack-of", string process, string thread]:
                return ShowStack(process, thread);
            case []:
                Console.Error.WriteLine(ForwarderOptions.Usage);
                return ExitUsage;
        }

        if (ForwarderOptions.Parse(arguments, out string mistake) is { } options)
        {
            return await RunAsync(options, arguments);
        }

        Console.Error.WriteLine($"cmesh-forwarder: {mistake}");
        return ExitUsage;
    }

    /// <summary>The version that was built.</summary>
    public static string Version => typeof(Program).Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()?.InformationalVersion.Split('+')[0] ?? "?";

    /// <summary>Not for people: a forwarder starts it.</summary>
    private static int RunKeeper(string socketPath)
    {
        try
        {
            TapKeeper.Run(socketPath, () => Console.WriteLine("ready"));
            return 0;
        }
        catch (DeviceException e)
        {
            Console.Error.WriteLine(e.Message);
            return ExitFailure;
        }
    }

    /// <summary>Not for people either: a forwarder looks at a thread of its own.</summary>
    private static int ShowStack(string process, string thread)
    {
        try
        {
            Console.WriteLine(ThreadStack.Read(int.Parse(process, CultureInfo.InvariantCulture), uint.Parse(thread, CultureInfo.InvariantCulture)));
            return 0;
        }
        catch (Exception e) when (e is InvalidOperationException or FormatException or OverflowException)
        {
            Console.Error.WriteLine(e.Message);
            return ExitFailure;
        }
    }

    /// <summary>For people who want to see what the sandbox leaves: --in-sandbox cat /proc/self/status.</summary>
    private static int TrySandbox(string program, string[] arguments)
    {
        try
        {
            Sandboxing.Try(program, arguments);
            return 0;
        }
        catch (DeviceException e)
        {
            Console.Error.WriteLine($"cmesh-forwarder: {e.Message}");
            return ExitFailure;
        }
    }

    private static async Task<int> RunAsync(ForwarderOptions options, string[] arguments)
    {
        try
        {
            // First, since it starts the program over: what is read before is read twice.
            Sandboxing.Enter(options, arguments, MemoryBudget.OfProgram().HeapLimit);
            NodeFile file = NodeFile.Read(options.ConfigPath);
            MemoryBudget memory = MemoryBudget.Of(file.Local, options.WorkerCount);
            memory.Require(options.ConfigPath);
            options = options with { Opener = PortOpener.FromEnvironment() };
            if (options.CheckOnly)
            {
                NodeRuntime.Check(file);
                Console.WriteLine($"{options.ConfigPath}: valid");
                return 0;
            }

            var stop = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            using PosixSignalRegistration term = PosixSignalRegistration.Create(PosixSignal.SIGTERM, c => Stop(c, stop));
            using PosixSignalRegistration interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, c => Stop(c, stop));
            if (memory.Describe() is { } line)
            {
                Log.Write(line);
            }

            await using NodeRuntime runtime = NodeRuntime.Start(file, options);
            using var watch = new NodeWatch(runtime.Workers.Workers, options.WatchdogLimit, ServiceNotifier.FromEnvironment(Log.Write), runtime.Description);
            Log.Announce($"cmesh-forwarder {Version}: {runtime.Description} is up on {runtime.EngineText}; control socket {file.SocketPath}");
            StartReport.Write("up");
            await Task.WhenAny(stop.Task, runtime.HandedOver);
            return 0;
        }
        catch (ConfigurationException e)
        {
            return Fail(e.Message, ExitUsage);
        }
        catch (Exception e) when (e is DeviceException or ControlConnectionException)
        {
            return Fail(e.Message, ExitFailure);
        }
    }

    private static int Fail(string sentence, int code)
    {
        Console.Error.WriteLine($"cmesh-forwarder: {sentence}");
        StartReport.Write($"failed {sentence.ReplaceLineEndings(" ")}");
        return code;
    }

    private static void Stop(PosixSignalContext context, TaskCompletionSource stop)
    {
        context.Cancel = true;
        stop.TrySetResult();
    }
}
