using System.CommandLine;
using ClusterMesh.Datapath.Cli.Observing;
using ClusterMesh.Datapath.Observe.Hubble.Observers;
using ClusterMesh.Datapath.Observe.Relay;
using ClusterMesh.Datapath.Observe.Text;
using Grpc.Core;

namespace ClusterMesh.Datapath.Cli.Commands;

/// <summary>cmesh observe: flows that a node, or with a relay all nodes, have seen.</summary>
internal static class ObserveCommand
{
    private const ulong UsualNumber = 20;

    public static Command Build(Screen screen, HubbleChoice choice)
    {
        Command command = new("observe", "Show flows that the node has seen: who spoke with whom, and what became of it.");
        Option<bool> follow = new("--follow", "-f") { Description = "Then go on with what comes." };
        Option<ulong?> last = new("--last") { Description = $"The last so many; {UsualNumber} unless --since, --first, --all or --follow says other.", HelpName = "COUNT" };
        Option<ulong?> first = new("--first") { Description = "The first so many.", HelpName = "COUNT" };
        Option<bool> all = new("--all") { Description = "All that the node still has." };
        Option<string?> since = new("--since") { Description = "Not before: 5m ago, or 2026-11-23T05:02:07Z.", HelpName = "TIME" };
        Option<string?> until = new("--until") { Description = "Not after.", HelpName = "TIME" };
        Option<bool> node = new("--print-node-name") { Description = "Show which node saw it." };
        Option<bool> policies = new("--print-policy-names") { Description = "Show the policies behind verdicts." };
        Option<bool> numeric = new("--numeric") { Description = "Addresses instead of names." };
        Option<string> output = new("--output", "-o") { Description = "Format: compact, dict, table (tab), json or jsonpb.", DefaultValueFactory = _ => "compact" };
        output.AcceptOnlyFromAmong("compact", "dict", "table", "tab", "json", "jsonpb");
        FlowFilterOptions filters = new();
        foreach (Option option in (Option[])[follow, last, first, all, since, until, output, node, policies, numeric])
        {
            command.Add(option);
        }

        filters.AddTo(command);
        choice.AddTo(command);
        command.SetAction(async (parsed, cancellation) =>
        {
            DateTimeOffset now = DateTimeOffset.UtcNow;
            bool isFirst = parsed.GetValue(first) is not null;
            if (isFirst && (parsed.GetValue(last) is not null || parsed.GetValue(follow)))
            {
                throw new UsageException($"--first excludes {(parsed.GetValue(follow) ? "--follow: what comes next is never among the first" : "--last")}");
            }

            bool isOpen = parsed.GetValue(follow) || parsed.GetValue(all) || parsed.GetValue(since) is not null;
            GetFlowsRequest request = new()
            {
                Follow = parsed.GetValue(follow),
                First = isFirst,
                Number = parsed.GetValue(first) ?? parsed.GetValue(last) ?? (isOpen ? 0 : UsualNumber),
                Since = parsed.GetValue(since) is { } from ? TimeOption.Parse("--since", from, now) : null,
                Until = parsed.GetValue(until) is { } to ? TimeOption.Parse("--until", to, now) : null,
            };
            request.Whitelist.Add(filters.Read(parsed));
            FlowPrinter printer = new(screen.Output, screen.Error, new FlowTextSettings
            {
                Format = FormatOf(parsed.GetValue(output)!),
                Colours = screen.HasColours,
                ShowNode = parsed.GetValue(node),
                ShowPolicies = parsed.GetValue(policies),
                Numeric = parsed.GetValue(numeric),
            });
            (PeerConnections connections, Observer.ObserverClient observer, string address) = choice.Open(parsed);
            using (connections)
            {
                await PrintAsync(observer, request, printer, address, cancellation);
            }

            return CommandLine.Ok;
        });
        return command;
    }

    private static FlowFormat FormatOf(string name) => name switch
    {
        "dict" => FlowFormat.Dict,
        "table" or "tab" => FlowFormat.Table,
        "json" => FlowFormat.Json,
        "jsonpb" => FlowFormat.JsonPb,
        _ => FlowFormat.Compact,
    };

    private static async Task PrintAsync(Observer.ObserverClient observer, GetFlowsRequest request, FlowPrinter printer, string address, CancellationToken cancellation)
    {
        try
        {
            using AsyncServerStreamingCall<GetFlowsResponse> call = observer.GetFlows(request, cancellationToken: cancellation);
            while (true)
            {
                Task<bool> next = call.ResponseStream.MoveNext(cancellation);
                if (!next.IsCompleted)
                {
                    printer.Flush(); // Nothing more is there at the moment.
                }

                if (!await next)
                {
                    break;
                }

                printer.Write(call.ResponseStream.Current);
            }
        }
        catch (RpcException) when (cancellation.IsCancellationRequested)
        {
            // Asked to end: what came is printed, and that is the end that follows has.
        }
        catch (RpcException fault)
        {
            throw HubbleChoice.Explain(fault, address);
        }
        finally
        {
            printer.Flush();
        }
    }
}
