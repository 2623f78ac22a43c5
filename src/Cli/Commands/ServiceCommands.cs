using System.CommandLine;
using ClusterMesh.Datapath.Cli.Text;
using ClusterMesh.Datapath.Control;
using ClusterMesh.Datapath.Control.Messages;

namespace ClusterMesh.Datapath.Cli.Commands;

/// <summary>cmesh service maglev and cmesh service select: how a service chooses.</summary>
internal static class ServiceCommands
{
    public static Command Maglev(Screen screen, NodeChoice choice)
    {
        Command command = new("maglev", "Show the Maglev table of a service: each backend's share, or all entries with -o json.");
        Argument<string> service = Service();
        Option<int?> size = new("--table-size") { Description = "Entries, one of Cilium's primes; the node's when left out." };
        Option<string> output = Options.Output("table", "json");
        command.Add(service);
        command.Add(size);
        command.Add(output);
        command.SetAction(async (parsed, cancellation) =>
        {
            await using ControlClient client = await choice.ConnectAsync(parsed, cancellation);
            MaglevResult result = await client.GetMaglevAsync(parsed.GetRequiredValue(service), parsed.GetValue(size), cancellation);
            Print(screen, parsed.GetValue(output) == "json", () => OutputJson.Document(result), () => ServiceText.Maglev(result));
        });
        return command;
    }

    public static Command Select(Screen screen, NodeChoice choice)
    {
        Command command = new("select", "Say which backend a new flow to a service would get, and why.");
        Argument<string> service = Service();
        Option<string> from = new("--from") { Description = "The client: 10.0.1.105:40000, or [fd00::1]:40000.", Required = true };
        Option<string> output = Options.Output("table", "json");
        command.Add(service);
        command.Add(from);
        command.Add(output);
        command.SetAction(async (parsed, cancellation) =>
        {
            await using ControlClient client = await choice.ConnectAsync(parsed, cancellation);
            SelectResult result = await client.SelectAsync(parsed.GetRequiredValue(service), parsed.GetRequiredValue(from), cancellation);
            Print(screen, parsed.GetValue(output) == "json", () => OutputJson.Document(result), () => ServiceText.Select(result));
        });
        return command;
    }

    private static Argument<string> Service() => new("service") { Description = "A service (default/webpod) or one of its frontends (10.2.33.10:80/TCP)." };

    private static void Print(Screen screen, bool asJson, Func<string> json, Func<IEnumerable<string>> lines)
    {
        foreach (string line in asJson ? [json()] : lines())
        {
            screen.Output.WriteLine(line);
        }
    }
}
