using System.CommandLine;
using System.Globalization;
using ClusterMesh.Datapath.Cli.Text;
using ClusterMesh.Datapath.Control;
using ClusterMesh.Datapath.Control.Rows;
using ClusterMesh.Datapath.Io;
using ClusterMesh.Datapath.Observe.Text;
using ClusterMesh.Datapath.Pipeline.Events;
using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.Cli.Commands;

/// <summary>cmesh monitor: flow events straight from the forwarder, without an agent and without names.</summary>
internal static class MonitorCommand
{
    private const int BatchLength = 1024;
    private const int ShortestRest = 10;
    private const int LongestRest = 50;

    public static Command Build(Screen screen, NodeChoice choice)
    {
        Command command = new("monitor", "Show flow events straight from the forwarder as they happen; works without an agent.");
        Option<string?> type = new("--type", "-t") { Description = "Only trace, drop or policy-verdict." };
        type.AcceptOnlyFromAmong("trace", "drop", "policy-verdict");
        Option<string?> related = new("--related-to") { Description = "Only with this address, or within this CIDR, at either end.", HelpName = "ADDRESS" };
        Option<bool> packets = new("--packets") { Description = "Every packet, not only what changes something. All packets then take the stages." };
        Option<bool> verbose = new("--verbose", "-v") { Description = "Show time, worker, MAC addresses and length too." };
        Option<long?> count = new("--count", "-c") { Description = "End after so many events.", HelpName = "COUNT" };
        Option<string> output = Options.Output("lines", "json", "count");
        foreach (Option option in (Option[])[type, related, packets, verbose, count, output])
        {
            command.Add(option);
        }

        choice.AddTo(command);
        command.SetAction(async (parsed, cancellation) =>
        {
            Func<FlowRecord, bool> matches = Filter(parsed.GetValue(type), parsed.GetValue(related));
            FlowDetail detail = parsed.GetValue(packets) ? FlowDetail.EveryPacket : FlowDetail.Changes;
            string socket = choice.EventsSocket(parsed);
            using FlowEventReader reader = Connect(socket, detail);
            Dictionary<uint, string> ports = await PortsAsync(choice, parsed, cancellation);
            await PrintAsync(
                screen, reader, matches, parsed.GetValue(count) ?? long.MaxValue, parsed.GetValue(output) switch
                {
                    "json" => r => MonitorText.Json(r, NameOf),
                    "count" => null,
                    _ => r => MonitorText.Line(r, NameOf, parsed.GetValue(verbose)),
                }, cancellation);
            return reader.IsConnected ? CommandLine.Ok : throw new ControlConnectionException($"{socket}: the forwarder has ended");

            string NameOf(uint port) => port == 0 ? "-" : ports.TryGetValue(port, out string? name) ? name : string.Create(CultureInfo.InvariantCulture, $"{port - 1}");
        });
        return command;
    }

    /// <exception cref="ControlConnectionException">Nobody gives events there.</exception>
    internal static FlowEventReader Connect(string socket, FlowDetail detail)
    {
        try
        {
            return FlowEventReader.Connect(socket, detail);
        }
        catch (DeviceException fault)
        {
            throw new ControlConnectionException(fault.Message, fault);
        }
    }

    private static Func<FlowRecord, bool> Filter(string? type, string? related)
    {
        FlowEventKind kind = type switch { "trace" => FlowEventKind.Trace, "drop" => FlowEventKind.Drop, "policy-verdict" => FlowEventKind.PolicyVerdict, _ => FlowEventKind.None };
        IpPrefix prefix = default;
        if (related is not null)
        {
            prefix = IpAddress.TryParse(related, out IpAddress address) ? IpPrefix.Host(address)
                : IpPrefix.TryParse(related, out IpPrefix given) ? given
                : throw new UsageException($"--related-to: '{related}' is neither an address nor a CIDR");
        }

        return r => (kind == FlowEventKind.None || r.Kind == kind)
            && (related is null || prefix.Contains(r.Source) || prefix.Contains(r.Destination) || prefix.Contains(r.TranslatedSource));
    }

    private static async Task<Dictionary<uint, string>> PortsAsync(NodeChoice choice, ParseResult parsed, CancellationToken cancellation)
    {
        Dictionary<uint, string> names = [];
        await using ControlClient client = await choice.ConnectAsync(parsed, cancellation);
        await foreach (PortRow port in client.ListAsync(ControlKinds.Port, cancellation))
        {
            names[(uint)port.Id + 1] = port.Name;
        }

        return names;
    }

    /// <param name="text">Null to print only how many there were, at the end.</param>
    private static async Task PrintAsync(
        Screen screen, FlowEventReader reader, Func<FlowRecord, bool> matches, long most, Func<FlowRecord, string>? text, CancellationToken cancellation)
    {
        FlowRecord[] batch = new FlowRecord[BatchLength];
        ulong lost = 0;
        long printed = 0;
        int rest = ShortestRest;
        while (!cancellation.IsCancellationRequested && printed < most)
        {
            int count = reader.Read(batch);
            for (int i = 0; i < count && printed < most; i++)
            {
                if (matches(batch[i]))
                {
                    printed++;
                    if (text is not null)
                    {
                        screen.Output.WriteLine(text(batch[i]));
                    }
                }
            }

            if (reader.LostCount != lost)
            {
                screen.Error.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{reader.LostCount - lost} events lost: they came faster than they were read"));
                lost = reader.LostCount;
            }

            if (count == batch.Length)
            {
                continue;
            }

            await screen.Output.FlushAsync(CancellationToken.None);
            rest = count > 0 ? ShortestRest : Math.Min(rest * 2, LongestRest);
            if (rest == LongestRest && !reader.IsConnected)
            {
                break;
            }

            await Task.Delay(rest, cancellation).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }

        if (text is null)
        {
            screen.Output.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{printed} events, {reader.LostCount} lost"));
        }
    }
}
