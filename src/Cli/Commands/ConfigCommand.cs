using System.CommandLine;
using ClusterMesh.Datapath.Configuration;
using ClusterMesh.Datapath.Control;
using ClusterMesh.Datapath.Control.Documents;

namespace ClusterMesh.Datapath.Cli.Commands;

/// <summary>cmesh config view.</summary>
internal static class ConfigCommand
{
    public static Command Build(Screen screen, NodeChoice choice)
    {
        Command view = new("view", "Show the effective configuration.");
        Option<string> output = Options.Output("yaml", "json");
        view.Add(output);
        view.SetAction(async (parsed, cancellation) =>
        {
            await using ControlClient client = await choice.ConnectAsync(parsed, cancellation);
            NodeDocument document = await client.GetConfigAsync(cancellation);
            string text = parsed.GetValue(output) == "json" ? OutputJson.Document(document) : YamlText.Write(document);
            screen.Output.WriteLine(text.TrimEnd('\n'));
        });
        Command command = new("config", "The node's configuration.");
        command.Add(view);
        return command;
    }
}
