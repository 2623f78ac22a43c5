using System.CommandLine;
using ClusterMesh.Datapath.Cli.Text;
using ClusterMesh.Datapath.Control;
using ClusterMesh.Datapath.Control.Agent;
using ClusterMesh.Datapath.Control.Rows;

namespace ClusterMesh.Datapath.Cli.Commands;

/// <summary>cmesh status.</summary>
internal static class StatusCommand
{
    public static Command Build(Screen screen, NodeChoice choice)
    {
        Command command = new("status", "Show whether the node's forwarder is well, in a page; the exit code is 1 when anything is in Warning.");
        Option<bool> verbose = new("--verbose", "-v") { Description = "Show every port and every remote cluster." };
        Option<string> output = Options.Output("table", "json");
        command.Add(verbose);
        command.Add(output);
        command.SetAction(async (parsed, cancellation) =>
        {
            await using ControlClient client = await choice.ConnectAsync(parsed, cancellation);
            StatusReport report = await client.GetStatusAsync(cancellation);
            AgentStatus? agent = await AgentChoice.FindStatusAsync(choice.AgentSocket(parsed), cancellation);
            report = agent is { Clusters.Count: > 0 } ? report with { ClusterMesh = MeshText.Summary(agent) } : report;
            if (parsed.GetValue(output) == "json")
            {
                screen.Output.WriteLine(OutputJson.Document(report));
            }
            else
            {
                foreach (string line in StatusText.Format(report, parsed.GetValue(verbose)))
                {
                    screen.WriteState(line);
                    if (agent is not null && parsed.GetValue(verbose) && line.StartsWith("ClusterMesh:", StringComparison.Ordinal))
                    {
                        HealthResult? health = await HealthCommand.FindAsync(choice.AgentSocket(parsed), cancellation);
                        foreach (string detail in MeshText.Clusters(agent, DateTimeOffset.UtcNow).Concat(health is { IsEnabled: true } ? HealthText.Block(health) : []))
                        {
                            screen.Output.WriteLine(detail);
                        }
                    }
                }
            }

            return StatusText.IsWell(report) ? CommandLine.Ok : CommandLine.Failed;
        });
        return command;
    }
}
