using System.Globalization;
using ClusterMesh.Datapath.Configuration;
using ClusterMesh.Datapath.Control;
using ClusterMesh.Datapath.Io;
using ClusterMesh.Datapath.Pipeline;
using ClusterMesh.Datapath.State;

namespace ClusterMesh.Datapath.Forwarder;

/// <summary>What the command line says: the node file, and how this machine is to run it.</summary>
/// <param name="CheckOnly">Only check the file.</param>
/// <param name="SpinMicroseconds">Longest spinning before a worker sleeps; 0 sleeps at once.</param>
/// <param name="WorkerCount">Threads that forward.</param>
/// <param name="IsTakeover">A forwarder runs for the node, and this one takes its place.</param>
/// <param name="KeepDirectory">Where flow tables outlive the process; null for nowhere.</param>
internal sealed record ForwarderOptions(string ConfigPath, bool CheckOnly, EngineKind Engine, int SpinMicroseconds, int WorkerCount, string? KeepDirectory, bool IsTakeover = false)
{
    /// <summary>Group whose members may do everything at the control socket; null for none but the owner.</summary>
    public string? AdminGroup { get; init; }

    /// <summary>Group whose members may look at the control socket; null for none.</summary>
    public string? ReaderGroup { get; init; }

    /// <summary>A worker that has not turned for so long is stuck.</summary>
    public TimeSpan WatchdogLimit { get; init; } = TimeSpan.FromSeconds(3);

    /// <summary>Whether the process gives up what it does not need.</summary>
    public bool IsSandboxed { get; init; } = true;

    /// <summary>User whose rights the process has, by name or number; null for who starts it.</summary>
    public string? User { get; init; }

    /// <summary>Who opens ports; not of the command line.</summary>
    public PortOpener Opener { get; init; } = PortOpener.Here;

    /// <summary>Spinning longer than that is a worker that never sleeps.</summary>
    private const int MaxSpinMicroseconds = 10_000;

    private const int MaxWatchdogMilliseconds = 3_600_000;

    public const string Usage = """
        cmesh-forwarder: userspace datapath of one node

        usage: cmesh-forwarder --config NODE.YAML [OPTION...]   run until SIGTERM or SIGINT
               cmesh-forwarder --config NODE.YAML --check       only check the file
               cmesh-forwarder --version | --help

        options:
          --engine auto|io_uring|readiness   how frames are moved; auto takes io_uring where the kernel has it
          --spin MICROSECONDS                look for frames so long before sleeping, while they come in gaps shorter than that;
                                             0 (the default) to 10000. Halves the latency of requests, costs processor time
          --workers COUNT                    threads that forward, 1 (the default) to 16; each wants a processor, and has its share of the
                                             flow tables and of the ports for masquerading
          --keep DIRECTORY                   flows, TAPs and what was applied outlive a process that is killed: the next one goes on with
                                             them. A directory on tmpfs, for example /dev/shm/cmesh; a small keeper process holds the TAPs
          --takeover                         take the place of the forwarder that runs for the node with the same --keep, without losing a
                                             packet; it goes on if this one cannot
          --watchdog MILLISECONDS            a worker that has not turned for so long is said to be stuck, with its stack; 1500 to 3600000, 3000 unless given
          --user USER                        run as this user, by name or number; what needs rights is done by a small process beside it
          --no-sandbox                       keep all rights and system calls, for a debugger
          --admin-group GROUP                members may do everything at the control socket, as root and the user of this process may
          --reader-group GROUP               members may look, and change nothing

        Exit codes: 0 stopped as asked, 1 could not run, 2 the command line or the node file is wrong.
        """;

    /// <param name="mistake">One sentence, when null is returned.</param>
    public static ForwarderOptions? Parse(ReadOnlySpan<string> arguments, out string mistake)
    {
        var options = new ForwarderOptions("", false, EngineKind.Automatic, 0, 1, null);
        HashSet<string> seen = [];
        while (arguments is [string option, .. ReadOnlySpan<string> rest])
        {
            mistake = !seen.Add(option) ? $"{option} is given twice" : "";
            string? value = null;
            if (option is not ("--check" or "--takeover" or "--no-sandbox"))
            {
                value = rest is [string first, ..] ? first : null;
                rest = rest.IsEmpty ? rest : rest[1..];
            }

            options = mistake.Length > 0 ? options : options.With(option, value, out mistake);
            if (mistake.Length > 0)
            {
                return null;
            }

            arguments = rest;
        }

        mistake = options.ConfigPath.Length == 0 ? "no node file is given; say --config NODE.YAML" : "";
        mistake = mistake.Length == 0 && options is { IsTakeover: true, KeepDirectory: null } ? "--takeover goes with --keep DIRECTORY, where the other forwarder keeps its flows" : mistake;
        mistake = mistake.Length == 0 && options is { IsSandboxed: false, User: not null } ? "--user goes with the sandbox; leave --no-sandbox out" : mistake;
        return mistake.Length == 0 ? options : null;
    }

    /// <exception cref="ConfigurationException">A group that does not exist.</exception>
    public ControlAccess ToAccess()
    {
        try
        {
            return ControlAccess.Of(AdminGroup, ReaderGroup);
        }
        catch (FormatException e)
        {
            throw new ConfigurationException(e.Message);
        }
    }

    private ForwarderOptions With(string option, string? value, out string mistake)
    {
        mistake = "";
        switch (option, value)
        {
            case ("--check", _):
                return this with { CheckOnly = true };
            case ("--config" or "--engine" or "--spin" or "--workers" or "--keep" or "--watchdog" or "--user" or "--admin-group" or "--reader-group", null):
                mistake = $"{option} wants a value";
                return this;
            case ("--takeover", _):
                return this with { IsTakeover = true };
            case ("--keep", _):
                mistake = value.Length > 0 ? "" : "--keep wants a directory";
                return this with { KeepDirectory = value };
            case ("--no-sandbox", _):
                return this with { IsSandboxed = false };
            case ("--user", _):
                return this with { User = value };
            case ("--watchdog", _):
                bool isTime = int.TryParse(value, NumberStyles.None, CultureInfo.InvariantCulture, out int limit) && limit <= MaxWatchdogMilliseconds && limit >= WorkerWatch.ShortestLimit.TotalMilliseconds;
                mistake = isTime ? "" : $"--watchdog {value}: give a number of milliseconds from {WorkerWatch.ShortestLimit.TotalMilliseconds} to {MaxWatchdogMilliseconds}";
                return this with { WatchdogLimit = TimeSpan.FromMilliseconds(limit) };
            case ("--admin-group", _):
                return this with { AdminGroup = value };
            case ("--reader-group", _):
                return this with { ReaderGroup = value };
            case ("--config", _):
                return this with { ConfigPath = value };
            case ("--engine", "auto"):
                return this with { Engine = EngineKind.Automatic };
            case ("--engine", "io_uring"):
                return this with { Engine = EngineKind.Ring };
            case ("--engine", "readiness"):
                return this with { Engine = EngineKind.Readiness };
            case ("--engine", _):
                mistake = $"--engine {value}: give auto, io_uring or readiness";
                return this;
            case ("--spin", _):
                bool isNumber = int.TryParse(value, NumberStyles.None, CultureInfo.InvariantCulture, out int spin);
                mistake = isNumber && spin <= MaxSpinMicroseconds ? "" : $"--spin {value}: give a number of microseconds from 0 to {MaxSpinMicroseconds}";
                return this with { SpinMicroseconds = spin };
            case ("--workers", _):
                bool isCount = int.TryParse(value, NumberStyles.None, CultureInfo.InvariantCulture, out int count) && count is >= 1 and <= FlowHomes.MaxWorkerCount;
                mistake = isCount ? "" : $"--workers {value}: give a number from 1 to {FlowHomes.MaxWorkerCount}";
                return this with { WorkerCount = count };
            default:
                mistake = $"unknown option '{option}'; see cmesh-forwarder --help";
                return this;
        }
    }
}
