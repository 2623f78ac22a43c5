using System.CommandLine;
using System.Globalization;
using ClusterMesh.Datapath.Cli.Observing;
using ClusterMesh.Datapath.Cli.Text;
using ClusterMesh.Datapath.Observe.Hubble.Observers;
using ClusterMesh.Datapath.Observe.Hubble.Relays;
using ClusterMesh.Datapath.Observe.Relay;
using Grpc.Core;

namespace ClusterMesh.Datapath.Cli.Commands;

/// <summary>cmesh hubble: what an observer or a relay says of itself, in the form of the commands of the same name of hubble.</summary>
internal static class HubbleCommands
{
    public static Command Build(Screen screen, HubbleChoice choice)
    {
        Command hubble = new("hubble", "Ask a node's observer, or a relay, about itself.");
        hubble.Add(Make("status", "Show how many flows it has.", choice, async (observer, deadline, cancellation) =>
        {
            foreach (string line in Status(await observer.ServerStatusAsync(new(), deadline: deadline, cancellationToken: cancellation)))
            {
                screen.Output.WriteLine(line);
            }
        }));
        Command list = new("list", "List nodes or namespaces.");
        list.Add(Make("nodes", "List the nodes whose flows it has.", choice, async (observer, deadline, cancellation) =>
        {
            GetNodesResponse answer = await observer.GetNodesAsync(new(), deadline: deadline, cancellationToken: cancellation);
            Print(screen, ["NAME", "STATUS", "AGE", "FLOWS/S", "CURRENT/MAX-FLOWS"], answer.Nodes.OrderBy(n => n.Name, StringComparer.Ordinal).Select(RowOf));
        }));
        list.Add(Make("namespaces", "List the namespaces with flows of the last hour.", choice, async (observer, deadline, cancellation) =>
        {
            GetNamespacesResponse answer = await observer.GetNamespacesAsync(new(), deadline: deadline, cancellationToken: cancellation);
            Print(screen, ["CLUSTER", "NAMESPACE"], answer.Namespaces.Select(n => new[] { FlowText(n.Cluster), FlowText(n.Namespace_) }));
        }));
        hubble.Add(list);
        return hubble;
    }

    /// <summary>The lines of `hubble status`.</summary>
    internal static IEnumerable<string> Status(ServerStatusResponse status)
    {
        double share = status.MaxFlows == 0 ? 0 : 100.0 * status.NumFlows / status.MaxFlows;
        yield return "Healthcheck: Ok";
        yield return string.Create(CultureInfo.InvariantCulture, $"Current/Max Flows: {status.NumFlows:N0}/{status.MaxFlows:N0} ({share:0.00}%)");
        yield return string.Create(CultureInfo.InvariantCulture, $"Flows/s: {status.FlowsRate:0.00}");
        if (status.NumConnectedNodes is { } connected)
        {
            uint unavailable = status.NumUnavailableNodes ?? 0;
            yield return string.Create(CultureInfo.InvariantCulture, $"Connected Nodes: {connected}/{connected + unavailable}");
            if (unavailable > 0)
            {
                yield return string.Create(CultureInfo.InvariantCulture, $"Unavailable Nodes: {unavailable}");
                foreach (string node in status.UnavailableNodes)
                {
                    yield return $"  - {FlowText(node)}";
                }
            }
        }
    }

    internal static string[] RowOf(Node node)
    {
        TimeSpan age = TimeSpan.FromTicks((long)(node.UptimeNs / 100));
        string state = node.State switch { NodeState.NodeConnected => "Connected", NodeState.NodeUnavailable => "Unavailable", NodeState.NodeError => "Error", NodeState.NodeGone => "Gone", _ => "Unknown" };
        string rate = age > TimeSpan.Zero ? (node.SeenFlows / age.TotalSeconds).ToString("0.00", CultureInfo.InvariantCulture) : "N/A";
        double share = node.MaxFlows == 0 ? 0 : 100.0 * node.NumFlows / node.MaxFlows;
        return
        [
            FlowText(node.Name), state, age > TimeSpan.Zero ? AgeOf(age) : "N/A", rate,
            node.MaxFlows == 0 ? "N/A" : string.Create(CultureInfo.InvariantCulture, $"{node.NumFlows}/{node.MaxFlows} ({share,6:0.00}%)"),
        ];
    }

    private static string AgeOf(TimeSpan age) => age.TotalDays >= 1 ? $"{(int)age.TotalDays}d" : age.TotalHours >= 1 ? $"{(int)age.TotalHours}h" : age.TotalMinutes >= 1 ? $"{(int)age.TotalMinutes}m" : $"{(int)age.TotalSeconds}s";

    /// <summary>Names come from other clusters, and a terminal obeys control characters.</summary>
    private static string FlowText(string text) => string.Concat(text.Select(c => char.IsControl(c) ? '?' : c));

    private static void Print(Screen screen, string[] header, IEnumerable<string[]> rows)
    {
        foreach (string line in TextTable.Align([header, .. rows]))
        {
            screen.Output.WriteLine(line);
        }
    }

    private static Command Make(string name, string description, HubbleChoice choice, Func<Observer.ObserverClient, DateTime, CancellationToken, Task> ask)
    {
        Command command = new(name, description);
        choice.AddTo(command);
        command.SetAction(async (parsed, cancellation) =>
        {
            (PeerConnections connections, Observer.ObserverClient observer, string address) = choice.Open(parsed);
            using (connections)
            {
                try
                {
                    await ask(observer, DateTime.UtcNow.AddSeconds(10), cancellation);
                    return CommandLine.Ok;
                }
                catch (RpcException fault)
                {
                    throw HubbleChoice.Explain(fault, address);
                }
            }
        });
        return command;
    }
}
