using System.CommandLine;
using ClusterMesh.Datapath.Cli.Commands;
using ClusterMesh.Datapath.Cli.Observing;
using ClusterMesh.Datapath.Control;

namespace ClusterMesh.Datapath.Cli;

/// <summary>The whole command line of cmesh: what commands there are and what becomes of their faults.</summary>
internal static class CommandLine
{
    public const int Ok = 0;
    public const int Failed = 1;
    private const int WrongUsage = 2;

    /// <summary>EPIPE, which is what .NET gives as the fault's number (errno(3)).</summary>
    public const int BrokenPipe = 32;

    public static async Task<int> RunAsync(IReadOnlyList<string> arguments, Screen screen, CancellationToken cancellation = default)
    {
        ParseResult parsed = Build(screen).Parse(arguments);
        InvocationConfiguration invocation = new() { Output = screen.Output, Error = screen.Error, EnableDefaultExceptionHandler = false };
        try
        {
            if (parsed.Action is System.CommandLine.Help.HelpAction or System.CommandLine.Invocation.ParseErrorAction
                && UnknownCommand.Describe(parsed) is string unknown)
            {
                throw new UsageException($"{unknown}; see {CommandPath(parsed)} --help");
            }

            if (parsed.Errors.Count > 0 && parsed.Action is System.CommandLine.Invocation.ParseErrorAction)
            {
                throw new UsageException($"{OneSentence(parsed.Errors[0].Message)}; see {CommandPath(parsed)} --help");
            }

            int code = await parsed.InvokeAsync(invocation, cancellation);
            await screen.Output.FlushAsync(CancellationToken.None);
            return code;
        }
        catch (UsageException fault)
        {
            return Complain(screen, fault.Message, WrongUsage);
        }
        catch (Exception fault) when (fault is ControlException or ControlConnectionException)
        {
            return Complain(screen, fault.Message, Failed);
        }
        catch (OperationCanceledException)
        {
            return Complain(screen, "interrupted", Failed);
        }
        catch (IOException fault)
        {
            // Whoever read our output has gone (cmesh ct list | head): nobody wants to hear of it.
            return fault.HResult == BrokenPipe ? Failed : Complain(screen, $"the output cannot be written: {fault.Message.ReplaceLineEndings(" ")}; make room there, or write elsewhere", Failed);
        }
    }

    private static RootCommand Build(Screen screen)
    {
        NodeChoice choice = new(screen);
        RootCommand root = new("Asks and tells the forwarders of a cluster mesh.");
        foreach (VersionOption version in root.Options.OfType<VersionOption>())
        {
            version.Action = new VersionAction(screen);
        }

        root.Add(StatusCommand.Build(screen, choice));
        foreach (Command list in ListCommands.Build(screen, choice))
        {
            root.Add(list);
        }

        root.Add(ApplyCommand.Build(screen, choice));
        root.Add(DeleteCommand.Build(screen, choice));
        root.Add(ConfigCommand.Build(screen, choice));
        root.Add(TraceCommand.Build(screen, choice));
        root.Add(CaptureCommand.Build(screen, choice));
        root.Add(UpgradeCommand.Build(screen, choice));
        choice.AddTo(root);

        // These ask the forwarder for its events, and the node's agent for what it makes of them.
        root.Add(MonitorCommand.Build(screen, choice));
        root.Add(TopCommand.Build(screen, choice));
        root.Add(MetricsCommand.Build(screen, choice));
        HubbleChoice hubble = new(screen, choice);
        root.Add(ObserveCommand.Build(screen, hubble));
        root.Add(HubbleCommands.Build(screen, hubble));

        // These ask agents.
        AgentChoice agents = new(screen);
        root.Add(GetCommand.Build(screen, agents));
        foreach (Command mesh in MeshCommands.Build(screen, agents))
        {
            root.Add(mesh);
        }

        // These ask no forwarder.
        root.Add(SysdumpCommand.Build(screen, TimeProvider.System));
        root.Add(ReplayCommand.Build(screen));
        root.Add(CompletionCommand.Build(screen));
        return root;
    }

    private static int Complain(Screen screen, string message, int code)
    {
        try
        {
            screen.Output.Flush();
        }
        catch (IOException)
        {
            // The fault is said all the same.
        }

        screen.Error.WriteLine($"Error: {message}");
        return code;
    }

    /// <summary>The library lists the values it would take one a line.</summary>
    private static string OneSentence(string message)
    {
        string[] lines = message.TrimEnd('.').Split('\n', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries);
        return lines.Length == 1 ? lines[0] : $"{lines[0]} {string.Join(", ", lines[1..])}";
    }

    private static string CommandPath(ParseResult parsed)
    {
        Stack<string> names = new();
        for (System.CommandLine.Parsing.SymbolResult? at = parsed.CommandResult; at is not null; at = at.Parent)
        {
            if (at is System.CommandLine.Parsing.CommandResult { Command: not RootCommand } command)
            {
                names.Push(command.Command.Name);
            }
        }

        names.Push("cmesh");
        return string.Join(' ', names);
    }
}
