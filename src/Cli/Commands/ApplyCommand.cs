using System.CommandLine;
using ClusterMesh.Datapath.Control;
using ClusterMesh.Datapath.Control.Documents;
using ClusterMesh.Datapath.Control.Messages;

namespace ClusterMesh.Datapath.Cli.Commands;

/// <summary>cmesh apply. All files are read before the first is sent; each is one change, which holds whole or not at all.</summary>
internal static class ApplyCommand
{
    /// <summary>A change may make a hundred TAPs; the next one waits for it.</summary>
    private static readonly TimeSpan s_answerTimeout = TimeSpan.FromSeconds(60);

    public static Command Build(Screen screen, NodeChoice choice)
    {
        Command command = new("apply", "Add or change endpoints, nodes, routes, services and masquerading; or apply Kubernetes manifests to the node's agent.");
        Option<string[]> files = new("--filename", "-f")
        {
            Description = "File of a change; - is standard input.",
            HelpName = "FILE",
            Required = true,
            AllowMultipleArgumentsPerToken = true,
        };
        Option<bool> replace = new("--replace") { Description = "Each list that is given becomes the whole set of its kind." };
        command.Add(files);
        command.Add(replace);
        command.SetAction(async (parsed, cancellation) =>
        {
            if (ManifestFiles.Read(parsed.GetRequiredValue(files), screen.Input) is { } manifests)
            {
                await MeshCommands.ApplyAsync(screen, choice.AgentSocket(parsed), manifests, cancellation);
                return;
            }

            List<(string File, ChangeDocument Change)> changes =
                [.. parsed.GetRequiredValue(files).Select(file => (file, ChangeReader.Read(file, screen.Input)))];
            ApplyMode mode = parsed.GetValue(replace) ? ApplyMode.Replace : ApplyMode.Merge;
            await using ControlClient client = await choice.ConnectAsync(parsed, cancellation, s_answerTimeout);
            foreach ((string file, ChangeDocument change) in changes)
            {
                ChangeResult result = await ApplyAsync(client, mode, file, change, cancellation);
                string what = result.Changed switch { 0 => "nothing to change", 1 => "1 object changed", _ => $"{result.Changed} objects changed" };
                screen.Output.WriteLine($"{file}: {what} (version {result.Version})");
            }
        });
        return command;
    }

    /// <summary>With the file's name in the refusal: there may be several.</summary>
    private static async Task<ChangeResult> ApplyAsync(
        ControlClient client, ApplyMode mode, string file, ChangeDocument change, CancellationToken cancellation)
    {
        try
        {
            return await client.ApplyAsync(mode, change, cancellation);
        }
        catch (ControlException refusal)
        {
            throw new ControlException(refusal.Code, $"{file}: {refusal.Message}");
        }
    }
}
