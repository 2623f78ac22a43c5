using System.CommandLine;
using ClusterMesh.Datapath.Cli.Text;
using ClusterMesh.Datapath.Control;
using ClusterMesh.Datapath.Control.Messages;

namespace ClusterMesh.Datapath.Cli.Commands;

/// <summary>cmesh policy explain: which rule lets a packet pass or not.</summary>
internal static class PolicyCommands
{
    public static Command Explain(Screen screen, NodeChoice choice)
    {
        Option<string> from = new("--from") { Description = "Who speaks: an endpoint (default/curl-pod) or an address.", Required = true };
        Option<string> to = new("--to") { Description = "To whom: an endpoint or an address.", Required = true };
        Option<string> port = new("--port") { Description = "Where: 80/TCP, 53/UDP, an ICMP type as 8/ICMP.", Required = true };
        Option<string> output = Options.Output("table", "json");
        Command command = new("explain", "Say which rule lets a packet pass or not, and why.") { from, to, port, output };
        command.SetAction(async (parsed, cancellation) =>
        {
            await using ControlClient client = await choice.ConnectAsync(parsed, cancellation);
            ExplainResult result = await client.ExplainAsync(parsed.GetRequiredValue(from), parsed.GetRequiredValue(to), parsed.GetRequiredValue(port), cancellation);
            foreach (string line in parsed.GetValue(output) == "json" ? [OutputJson.Document(result)] : PolicyText.Explain(result))
            {
                screen.Output.WriteLine(line);
            }
        });
        return command;
    }
}
