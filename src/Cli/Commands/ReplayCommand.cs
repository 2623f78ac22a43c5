using System.CommandLine;
using ClusterMesh.Datapath.Configuration;
using ClusterMesh.Datapath.Control;
using ClusterMesh.Datapath.Replay;
using ClusterMesh.Datapath.State;

namespace ClusterMesh.Datapath.Cli.Commands;

/// <summary>
/// cmesh replay: captures through the pipeline of a node that is only a file. Asks no forwarder. The library that does it, and libpcap
/// with it, is loaded when the command runs: outside <see cref="Run"/> only its constants may be named.
/// </summary>
internal static class ReplayCommand
{
    public static Command Build(Screen screen)
    {
        Command command = new("replay", "Let captured packets pass a node's datapath, and tell what becomes of each.");
        Option<string> config = new("--config") { Description = "The node's configuration file; - is standard input.", HelpName = "FILE", Required = true };
        Option<string[]> inputs = new("--in")
        {
            Description = "A capture (pcap or pcapng) and the port its frames enter by: an endpoint's name, host or uplink. Without PORT the file's name says it.",
            HelpName = "[PORT=]FILE",
            Required = true,
            AllowMultipleArgumentsPerToken = true,
        };
        Option<string> directory = new("--out") { Description = "Directory for a capture of what left by each port.", HelpName = "DIR" };
        Option<bool> force = new("--force") { Description = "Replace captures that are in that directory." };
        Option<ulong> seed = new("--seed") { Description = "Of the dice that choose backends and ports.", DefaultValueFactory = _ => ReplayRun.DefaultSeed };
        Option<bool> resolve = new("--resolve-neighbors")
        {
            Description = "Answer for the neighbors on the node network; false leaves them silent.",
            DefaultValueFactory = _ => true,
        };
        Option<string> output = Options.Output("lines", "json");
        foreach (Option option in (Option[])[config, inputs, directory, force, seed, resolve, output])
        {
            command.Add(option);
        }

        command.SetAction(parsed => Run(
            screen, parsed.GetRequiredValue(config), parsed.GetRequiredValue(inputs), parsed.GetValue(directory), parsed.GetValue(force),
            parsed.GetValue(seed), parsed.GetValue(resolve), parsed.GetValue(output) == "json"));
        return command;
    }

    private static void Run(Screen screen, string config, string[] captures, string? directory, bool force, ulong seed, bool resolve, bool asArray)
    {
        try
        {
            NodeFile node = config == "-" ? NodeFile.Parse("standard input", screen.Input.ReadToEnd()) : NodeFile.Read(config);
            var run = new ReplayRun(node, seed, resolve);
            CaptureInput[] inputs = [.. captures.Select(c => CaptureInput.Parse(c, run.Ports))];
            IReadOnlyList<ReplayFrame> frames = CaptureInput.Merge(inputs);
            using (PortCaptures? written = directory is null ? null : new PortCaptures(directory, run.Ports, inputs, force))
            {
                Print(screen.Output, run, frames, written, asArray);
            }

            screen.Output.Flush();
            ReplaySummary summary = run.Summary;
            if (summary.BackwardCount > 0)
            {
                string packets = summary.BackwardCount == 1 ? "1 packet was" : $"{summary.BackwardCount} packets were";
                screen.Error.WriteLine($"Note: {packets} earlier than the one before and got its time");
            }

            screen.Error.WriteLine(summary);
        }
        catch (Exception fault) when (fault is ReplayException or ConfigurationException)
        {
            throw new ControlException(ErrorCode.InvalidConfiguration, fault.Message);
        }
    }

    private static void Print(TextWriter output, ReplayRun run, IReadOnlyList<ReplayFrame> frames, PortCaptures? written, bool asArray)
    {
        int count = 0;
        run.Run(frames, record =>
        {
            written?.Add(record);
            output.Write(!asArray ? "" : count == 0 ? "[\n" : ",\n");
            output.Write(RecordJson.Line(record));
            output.Write(asArray ? "" : "\n");
            count++;
        });
        output.Write(!asArray ? "" : count == 0 ? "[]\n" : "\n]\n");
    }
}
