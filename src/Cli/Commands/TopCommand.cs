using System.CommandLine;
using System.Diagnostics;
using System.Globalization;
using ClusterMesh.Datapath.Cli.Observing;
using ClusterMesh.Datapath.Cli.Text;
using ClusterMesh.Datapath.Control;
using ClusterMesh.Datapath.Control.Rows;
using ClusterMesh.Datapath.Io;
using ClusterMesh.Datapath.Pipeline.Events;

namespace ClusterMesh.Datapath.Cli.Commands;

/// <summary>cmesh top: rates by pod, service and drop reason, drawn anew until it is ended. Asks the forwarder alone.</summary>
internal static class TopCommand
{
    private const string EnterScreen = "\e[?1049h\e[?25l";
    private const string LeaveScreen = "\e[?25h\e[?1049l";
    private const string Redraw = "\e[H\e[2J";
    private const int MostRows = 1000;

    /// <summary>Lines of the page that are no rows: the first, three headers and the blank ones.</summary>
    private const int FixedLines = 8;

    public static Command Build(Screen screen, NodeChoice choice)
    {
        Command command = new("top", "Show rates by pod, service and drop reason, live; one page where nobody looks at a terminal.");
        Option<bool> once = new("--once") { Description = "One page, without a screen of its own." };
        Option<double> interval = new("--interval") { Description = "Seconds between two pages, and of which the rates are.", DefaultValueFactory = _ => 1, HelpName = "SECONDS" };
        command.Add(once);
        command.Add(interval);
        choice.AddTo(command);
        command.SetAction(async (parsed, cancellation) =>
        {
            double seconds = parsed.GetValue(interval);
            if (seconds is not (>= 0.1 and <= 3600))
            {
                throw new UsageException($"--interval: {seconds.ToString(CultureInfo.InvariantCulture)} is not within 0.1 and 3600");
            }

            await using ControlClient client = await choice.ConnectAsync(parsed, cancellation);
            using FlowEventReader reader = MonitorCommand.Connect(choice.EventsSocket(parsed), FlowDetail.Changes);
            bool isLive = screen.IsTerminal && !parsed.GetValue(once);
            await RunAsync(screen, client, reader, TimeSpan.FromSeconds(seconds), isLive, cancellation);
            return CommandLine.Ok;
        });
        return command;
    }

    private static async Task RunAsync(Screen screen, ControlClient client, FlowEventReader reader, TimeSpan interval, bool isLive, CancellationToken cancellation)
    {
        try
        {
            screen.Output.Write(isLive ? EnterScreen : "");
            TopSample before = await TopSample.TakeAsync(client, cancellation);
            do
            {
                Dictionary<string, double> flows = await CountAsync(client, reader, interval, cancellation);
                if (cancellation.IsCancellationRequested)
                {
                    return;
                }

                TopSample now = await TopSample.TakeAsync(client, cancellation);
                double elapsed = Stopwatch.GetElapsedTime(before.Timestamp, now.Timestamp).TotalSeconds;
                int most = isLive ? Math.Max(1, (screen.Height - FixedLines) / 3) : MostRows;
                screen.Output.Write(isLive ? Redraw : "");
                foreach (string line in TopText.Page(before, now, flows.ToDictionary(f => f.Key, f => f.Value / elapsed), reader.LostCount, most))
                {
                    if (line.StartsWith("PORT ", StringComparison.Ordinal) || line.StartsWith("SERVICE ", StringComparison.Ordinal) || line.StartsWith("DROP REASON ", StringComparison.Ordinal))
                    {
                        screen.WriteHeader(line);
                    }
                    else
                    {
                        screen.Output.WriteLine(line);
                    }
                }

                await screen.Output.FlushAsync(CancellationToken.None);
                before = now;
            }
            while (isLive);
        }
        finally
        {
            screen.Output.Write(isLive ? LeaveScreen : "");
            await screen.Output.FlushAsync(CancellationToken.None);
        }
    }

    /// <summary>New flows to each service within the interval.</summary>
    private static async Task<Dictionary<string, double>> CountAsync(ControlClient client, FlowEventReader reader, TimeSpan interval, CancellationToken cancellation)
    {
        Dictionary<string, string> names = [];
        await foreach (ServiceRow service in client.ListAsync(ControlKinds.Service, cancellation))
        {
            names[service.Frontend] = service.Name;
        }

        Dictionary<string, double> flows = [];
        FlowRecord[] batch = new FlowRecord[1024];
        long began = Stopwatch.GetTimestamp();
        while (Stopwatch.GetElapsedTime(began) < interval && !cancellation.IsCancellationRequested)
        {
            int count = reader.Read(batch);
            foreach (FlowRecord record in batch.AsSpan(0, count))
            {
                if (record.Verdict == FlowVerdict.Translated)
                {
                    string frontend = $"{Wire.FlowKey.Endpoint(record.Destination, record.DestinationPort)}/{Wire.FlowKey.ProtocolName(record.Protocol)}";
                    string name = names.GetValueOrDefault(frontend) ?? frontend;
                    flows[name] = flows.GetValueOrDefault(name) + 1;
                }
            }

            if (count < batch.Length)
            {
                TimeSpan left = interval - Stopwatch.GetElapsedTime(began);
                await Task.Delay(TimeSpan.FromMilliseconds(Math.Clamp(left.TotalMilliseconds, 1, 20)), cancellation).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            }
        }

        return flows;
    }
}
