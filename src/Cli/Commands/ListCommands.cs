using System.CommandLine;
using ClusterMesh.Datapath.Cli.Text;
using ClusterMesh.Datapath.Control;

namespace ClusterMesh.Datapath.Cli.Commands;

/// <summary>cmesh endpoint list, … port list, and cmesh counters.</summary>
internal static class ListCommands
{
    public static IEnumerable<Command> Build(Screen screen, NodeChoice choice)
    {
        yield return Group("endpoint", "Pods of the node.", List(screen, choice, ControlKinds.Endpoint, RowTexts.Endpoint));
        yield return Group("node", "The other nodes.", List(screen, choice, ControlKinds.Node, RowTexts.Node));
        yield return Group("route", "Where packets go.", List(screen, choice, ControlKinds.Route, RowTexts.Route));
        yield return Group(
            "service", "Frontends and their backends.", ServiceList(screen, choice), ServiceCommands.Maglev(screen, choice), ServiceCommands.Select(screen, choice));
        yield return Group("backend", "Backends and the services that use them.", List(screen, choice, ControlKinds.Backend, RowTexts.Backend));
        yield return Group("ipmasq", "Prefixes exempt from masquerading.", List(screen, choice, ControlKinds.Masquerade, RowTexts.Masquerade));
        yield return Group("ipcache", "Who is behind an address, as packets find it.", List(screen, choice, ControlKinds.Ipcache, RowTexts.Ipcache));
        yield return Group("ip", "Who is behind an address, with labels.", IpList(screen, choice));
        yield return Group("identity", "Identities and their labels.", List(screen, choice, ControlKinds.Identity, RowTexts.Identity));
        yield return Group(
            "policy", "Who may speak to whom.", List(screen, choice, ControlKinds.Policy, RowTexts.Policy), PolicyCommands.Explain(screen, choice));
        yield return Group("ct", "Connections that are tracked.", List(screen, choice, ControlKinds.Conntrack, RowTexts.Conntrack));
        yield return Group("nat", "Masqueraded flows.", List(screen, choice, ControlKinds.Snat, RowTexts.Snat));
        yield return Group("neighbor", "Neighbours on the node network.", List(screen, choice, ControlKinds.Neighbor, RowTexts.Neighbor));
        yield return Group("port", "TAPs of the node.", List(screen, choice, ControlKinds.Port, RowTexts.Port));
        yield return List(screen, choice, ControlKinds.Counter, RowTexts.Counter, "counters", "Show all counters.");
    }

    private static Command Group(string name, string description, params Command[] commands)
    {
        Command group = new(name, description);
        foreach (Command command in commands)
        {
            group.Add(command);
        }

        return group;
    }

    private static Command ServiceList(Screen screen, NodeChoice choice)
    {
        Option<bool> affinity = new("--clustermesh-affinity") { Description = "Mark backends with (preferred) that service affinity prefers." };
        Command command = Build(screen, choice, ControlKinds.Service, parsed => RowTexts.Service(parsed.GetValue(affinity)), "list", "List them.");
        command.Add(affinity);
        return command;
    }

    private static Command IpList(Screen screen, NodeChoice choice)
    {
        Option<bool> numeric = new("--numeric", "-n") { Description = "The identity's number instead of its labels." };
        Command command = Build(screen, choice, ControlKinds.Ipcache, parsed => RowTexts.Ip(parsed.GetValue(numeric)), "list", "List them.");
        command.Add(numeric);
        return command;
    }

    private static Command List<TRow>(
        Screen screen, NodeChoice choice, ControlKind<TRow> kind, RowText<TRow> text, string name = "list", string description = "List them.")
        where TRow : class =>
        Build(screen, choice, kind, _ => text, name, description);

    private static Command Build<TRow>(
        Screen screen, NodeChoice choice, ControlKind<TRow> kind, Func<ParseResult, RowText<TRow>> text, string name, string description)
        where TRow : class
    {
        Command command = new(name, description);
        Option<string> output = Options.Output("table", "json");
        Option<bool> watch = new("--watch", "-w") { Description = "Show what is there, then what changes, until interrupted." };
        command.Add(output);
        command.Add(watch);
        command.SetAction(async (parsed, cancellation) =>
        {
            await using ControlClient client = await choice.ConnectAsync(parsed, cancellation);
            RowPrinter<TRow> printer = new(screen, kind, text(parsed), json: parsed.GetValue(output) == "json");
            if (parsed.GetValue(watch))
            {
                await printer.WatchAsync(client, cancellation);
            }
            else
            {
                await printer.ListAsync(client, cancellation);
            }
        });
        return command;
    }
}
