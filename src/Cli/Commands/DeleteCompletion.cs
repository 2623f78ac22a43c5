using System.CommandLine;
using System.CommandLine.Completions;
using ClusterMesh.Datapath.Control;
using ClusterMesh.Datapath.Control.Documents;

namespace ClusterMesh.Datapath.Cli.Commands;

/// <summary>What can stand next in a cmesh delete: a kind, then names of that kind as the forwarder has them.</summary>
internal sealed class DeleteCompletion(NodeChoice choice, Argument<string?> kind)
{
    /// <summary>A person waits with a finger on the key; offering nothing is better than a shell that hangs.</summary>
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(1);

    public IEnumerable<CompletionItem> Kinds(CompletionContext context) =>
        IsAtKind(context) ? ControlKinds.Deletable.Select(name => new CompletionItem(name)) : [];

    public IEnumerable<CompletionItem> Names(CompletionContext context)
    {
        if (IsAtKind(context))
        {
            return [];
        }

        using CancellationTokenSource patience = new(s_patience);
        try
        {
            // On the pool: completions are asked for synchronously.
            NodeDocument config = Task.Run(() => ConfigAsync(context.ParseResult, patience.Token)).GetAwaiter().GetResult();
            return NamesOf(config, KindOf(context)).Select(name => new CompletionItem(name));
        }
        catch (Exception fault) when (fault is ControlException or ControlConnectionException or UsageException or OperationCanceledException)
        {
            // No forwarder, none chosen, or a slow one: the person will be told when the command runs.
            return [];
        }
    }

    private async Task<NodeDocument> ConfigAsync(ParseResult parsed, CancellationToken cancellation)
    {
        await using ControlClient client = await choice.ConnectAsync(parsed, cancellation, s_patience);
        return await client.GetConfigAsync(cancellation);
    }

    /// <summary>The kind is being written as long as the cursor is at its end.</summary>
    private bool IsAtKind(CompletionContext context) => KindOf(context) is not string written || (NoNames(context) && context.WordToComplete == written);

    private string? KindOf(CompletionContext context) => context.ParseResult.GetResult(kind) is { Tokens: [{ Value: string written }] } ? written : null;

    private static bool NoNames(CompletionContext context) => context.ParseResult.CommandResult.Tokens.Count <= 1;

    private static IEnumerable<string> NamesOf(NodeDocument config, string? kind)
    {
        IEnumerable<string>? names = kind switch
        {
            "endpoint" => config.Endpoints?.Select(endpoint => endpoint.Name),
            "node" => config.Nodes?.Select(node => $"{node.Cluster ?? config.Node.Cluster}/{node.Name}"),
            "route" => config.Routes?.Select(route => route.Prefix),
            "service" => config.Services?.Select(service => service.Name),
            "policy" => config.Policies?.Select(policy => policy.Name),
            _ => null,
        };
        return names ?? [];
    }
}
