using System.CommandLine;
using System.Text.Encodings.Web;
using System.Text.Json;
using ClusterMesh.Datapath.Cli.Text;
using ClusterMesh.Datapath.Control;
using ClusterMesh.Datapath.Control.Agent;
using ClusterMesh.Datapath.Control.Messages;

namespace ClusterMesh.Datapath.Cli.Commands;

/// <summary>cmesh health status: how the nodes of the mesh reach each other, in both directions.</summary>
internal static class HealthCommand
{
    private static readonly AgentJson s_indented = new(new JsonSerializerOptions(AgentJson.Default.Options) { WriteIndented = true, Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping });

    public static Command Build(Screen screen, AgentChoice choice)
    {
        Option<string> output = Options.Output("table", "json");
        Command status = new("status", "Show how each node sees the others and is seen by them; the exit code is 1 when a probe fails.") { choice.Context, output };
        status.SetAction(async (parsed, cancellation) =>
        {
            bool well = true;
            foreach (string socket in choice.Find(parsed.GetValue(choice.Context)))
            {
                HealthResult health = await AskAsync(socket, cancellation);
                well &= HealthText.IsWell(health);
                if (parsed.GetValue(output) == "json")
                {
                    screen.Output.WriteLine(JsonSerializer.Serialize(health, s_indented.HealthResult));
                    continue;
                }

                screen.WriteHeader($"{ControlPaths.NodeOf(socket)}:");
                foreach (string line in HealthText.Page(health))
                {
                    screen.Output.WriteLine(line);
                }
            }

            return well ? CommandLine.Ok : CommandLine.Failed;
        });
        return new Command("health", "How nodes reach each other.") { status };
    }

    /// <summary>Null when the node has no agent, or one that does not know the question.</summary>
    public static async Task<HealthResult?> FindAsync(string socket, CancellationToken cancellation)
    {
        try
        {
            return File.Exists(socket) ? await AskAsync(socket, cancellation) : null;
        }
        catch (Exception fault) when (fault is ControlConnectionException or ControlException)
        {
            return null;
        }
    }

    private static async Task<HealthResult> AskAsync(string socket, CancellationToken cancellation)
    {
        await using ControlClient client = await AgentChoice.ConnectAsync(socket, cancellation);
        return await client.CallAsync("health", new NoContent(), ControlJson.Default.NoContent, AgentJson.Tolerant.HealthResult, cancellation);
    }
}
