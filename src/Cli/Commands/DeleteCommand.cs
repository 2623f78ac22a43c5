using System.CommandLine;
using ClusterMesh.Datapath.Control;
using ClusterMesh.Datapath.Control.Agent;
using ClusterMesh.Datapath.Control.Messages;

namespace ClusterMesh.Datapath.Cli.Commands;

/// <summary>cmesh delete.</summary>
internal static class DeleteCommand
{
    public static Command Build(Screen screen, NodeChoice choice)
    {
        Command command = new("delete", "Delete objects by name: nodes as cluster/name, routes by prefix; or, of a node with an agent, objects of its cluster.");
        Argument<string?> kind = new("kind") { Description = "What to delete.", Arity = ArgumentArity.ZeroOrOne };
        kind.AcceptOnlyFromAmong([.. ControlKinds.Deletable.Union(ObjectKinds.Words)]);
        Argument<string[]> names = new("names") { Description = "Their names; all are deleted or none.", Arity = ArgumentArity.ZeroOrMore };
        Option<string[]> files = new("--filename", "-f") { Description = "Kubernetes manifest: what it names is deleted.", HelpName = "FILE", AllowMultipleArgumentsPerToken = true };
        DeleteCompletion completion = new(choice, kind);
        kind.CompletionSources.Clear();
        kind.CompletionSources.Add(completion.Kinds);
        names.CompletionSources.Add(completion.Names);
        command.Add(kind);
        command.Add(names);
        command.Add(files);
        command.SetAction(async (parsed, cancellation) =>
        {
            string chosen = parsed.GetValue(kind) ?? "";
            string[] wanted = parsed.GetValue(names) ?? [];
            if (parsed.GetValue(files) is { Length: > 0 } paths)
            {
                IReadOnlyList<ManifestFile> manifests = chosen.Length == 0 ? ManifestFiles.Read(paths, screen.Input) ?? [] : throw new UsageException("give a kind with names or --filename, not both");
                await MeshCommands.DeleteAsync(
                    screen, choice.AgentSocket(parsed), manifests.Count > 0 ? manifests : throw new UsageException($"{paths[0]}: this is no Kubernetes manifest, or it cannot be read"), cancellation);
                return;
            }

            if (chosen.Length == 0 || wanted.Length == 0)
            {
                throw new UsageException("name a kind and what to delete of it, or give --filename; see cmesh delete --help");
            }

            // What an agent keeps, the forwarder would be told again.
            bool ofForwarder = ControlKinds.Deletable.Contains(chosen);
            if (!ofForwarder || (chosen == ControlKinds.Service.Name && File.Exists(choice.AgentSocket(parsed))))
            {
                await MeshCommands.DeleteAsync(screen, choice.AgentSocket(parsed), ObjectKinds.PluralOf(chosen), wanted, cancellation);
                return;
            }

            await using ControlClient client = await choice.ConnectAsync(parsed, cancellation);
            ChangeResult result = await client.DeleteAsync(chosen, wanted, cancellation);
            screen.Output.WriteLine($"{chosen} {string.Join(", ", wanted)} deleted (version {result.Version})");
        });
        return command;
    }
}
