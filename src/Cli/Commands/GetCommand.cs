using System.CommandLine;
using System.Text.Json;
using ClusterMesh.Datapath.Cli.Text;
using ClusterMesh.Datapath.Control;
using ClusterMesh.Datapath.Control.Agent;

namespace ClusterMesh.Datapath.Cli.Commands;

/// <summary>cmesh get: a cluster's own objects, as kubectl asks for them.</summary>
internal static class GetCommand
{
    private const string DefaultNamespace = "default";

    public static Command Build(Screen screen, AgentChoice choice)
    {
        Argument<string> kinds = new("kinds") { Description = "svc, ep, pods, deploy, nodes, endpointslices, cm; several with commas: svc,ep.", HelpName = "KIND[,KIND]" };
        Argument<string[]> names = new("names") { Description = "Only these; all unless given.", Arity = ArgumentArity.ZeroOrMore };
        Option<string> space = new("--namespace", "-n") { Description = "Namespace.", HelpName = "NAME", DefaultValueFactory = _ => DefaultNamespace };
        Option<bool> all = new("--all-namespaces", "-A") { Description = "Objects of all namespaces." };
        Option<string> output = Options.Output("table", "json", "name");
        Command command = new("get", "Show objects of a cluster: services, endpoints, pods, deployments, nodes and others.") { kinds, names, space, all, output, choice.Context };
        command.SetAction(async (parsed, cancellation) =>
        {
            string[] wanted = [.. parsed.GetRequiredValue(kinds).Split(',', StringSplitOptions.RemoveEmptyEntries).Select(ObjectKinds.PluralOf).Distinct()];
            string? only = parsed.GetValue(all) ? null : parsed.GetRequiredValue(space);
            string[] named = parsed.GetValue(names) ?? [];
            await using ControlClient client = await AgentChoice.ConnectAsync(await choice.FindOneAsync(parsed.GetValue(choice.Context), cancellation), cancellation);
            List<(string Kind, JsonElement[] Objects)> found = [];
            foreach (string kind in wanted)
            {
                found.Add((kind, await AskAsync(client, kind, only, named, cancellation)));
            }

            switch (parsed.GetValue(output))
            {
                case "json":
                    screen.Output.WriteLine($"[{string.Join(',', found.SelectMany(f => f.Objects).Select(o => o.GetRawText()))}]");
                    break;
                case "name":
                    foreach ((string kind, JsonElement[] objects) in found)
                    {
                        foreach (JsonElement each in objects)
                        {
                            screen.Output.WriteLine($"{ObjectKinds.SingularOf(kind)}/{each.GetProperty("name").GetString()}");
                        }
                    }

                    break;
                default:
                    JsonElement[] pods = wanted.Contains(ObjectKinds.Deployments) ? await AskAsync(client, ObjectKinds.Pods, null, [], cancellation) : [];
                    Show(screen, found, pods, only);
                    break;
            }
        });
        return command;
    }

    private static void Show(Screen screen, List<(string Kind, JsonElement[] Objects)> found, JsonElement[] pods, string? only)
    {
        (string Kind, JsonElement[] Objects)[] present = [.. found.Where(f => f.Objects.Length > 0)];
        if (present.Length == 0)
        {
            screen.Error.WriteLine(only is null ? "No resources found" : $"No resources found in {only} namespace.");
        }

        foreach ((string kind, JsonElement[] objects) in present)
        {
            if (kind != present[0].Kind)
            {
                screen.Output.WriteLine();
            }

            foreach (string line in ObjectText.Table(kind, objects, pods, found.Count > 1, only is null && ObjectKinds.HasNamespace(kind)))
            {
                screen.Output.WriteLine(line);
            }
        }
    }

    /// <summary>Names that are given must be there; in the order of their keys.</summary>
    private static async Task<JsonElement[]> AskAsync(ControlClient client, string kind, string? space, string[] named, CancellationToken cancellation)
    {
        if (named.Length > 0 && space is null)
        {
            throw new UsageException("names are of one namespace: give --namespace instead of --all-namespaces");
        }

        bool spaced = ObjectKinds.HasNamespace(kind);
        string[] keys = [.. named.Select(n => spaced && !n.Contains('/', StringComparison.Ordinal) ? $"{space}/{n}" : n)];
        ObjectResult result = await client.CallAsync("get", new ObjectRequest(kind, keys), AgentJson.Default.ObjectRequest, AgentJson.Tolerant.ObjectResult, cancellation);
        return
        [
            .. result.Objects.Where(o => !spaced || keys.Length > 0 || space is null || o.Key.StartsWith(space + "/", StringComparison.Ordinal))
                .OrderBy(o => o.Key, StringComparer.Ordinal).Select(o => Parse(kind, o.Key, o.Value)),
        ];
    }

    private static JsonElement Parse(string kind, string key, string text)
    {
        try
        {
            using JsonDocument document = JsonDocument.Parse(text);
            return document.RootElement.Clone();
        }
        catch (JsonException)
        {
            throw new ControlException(ErrorCode.InvalidConfiguration, $"{kind} {key}: the agent's answer is no JSON");
        }
    }
}
