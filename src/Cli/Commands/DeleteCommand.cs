using System.CommandLine;
using ClusterMesh.Datapath.Control;
using ClusterMesh.Datapath.Control.Messages;

namespace ClusterMesh.Datapath.Cli.Commands;

/// <summary>cmesh delete.</summary>
internal static class DeleteCommand
{
    public static Command Build(Screen screen, NodeChoice choice)
    {
        Command command = new("delete", "Delete objects by name: nodes as cluster/name, routes by prefix.");
        Argument<string> kind = new("kind") { Description = "What to delete." };
        kind.AcceptOnlyFromAmong([.. ControlKinds.Deletable]);
        Argument<string[]> names = new("names") { Description = "Their names; all are deleted or none.", Arity = ArgumentArity.OneOrMore };
        DeleteCompletion completion = new(choice, kind);
        kind.CompletionSources.Clear();
        kind.CompletionSources.Add(completion.Kinds);
        names.CompletionSources.Add(completion.Names);
        command.Add(kind);
        command.Add(names);
        command.SetAction(async (parsed, cancellation) =>
        {
            string chosen = parsed.GetRequiredValue(kind);
            string[] wanted = parsed.GetRequiredValue(names);
            await using ControlClient client = await choice.ConnectAsync(parsed, cancellation);
            ChangeResult result = await client.DeleteAsync(chosen, wanted, cancellation);
            screen.Output.WriteLine($"{chosen} {string.Join(", ", wanted)} deleted (version {result.Version})");
        });
        return command;
    }
}
