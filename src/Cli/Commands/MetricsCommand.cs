using System.CommandLine;
using System.Net.Sockets;
using System.Text.RegularExpressions;
using ClusterMesh.Datapath.Cli.Text;
using ClusterMesh.Datapath.Control;

namespace ClusterMesh.Datapath.Cli.Commands;

/// <summary>cmesh metrics: what Prometheus would get from the node's agent.</summary>
internal static class MetricsCommand
{
    private const string SocketName = "api.sock";
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(15);

    public static Command Build(Screen screen, NodeChoice choice)
    {
        Command command = new("metrics", "Show the metrics of the node's agent and forwarder.");
        Option<string?> pattern = new("--match-pattern", "-p") { Description = "Only names that match this regular expression.", HelpName = "PATTERN" };
        Option<string> output = Options.Output("table", "prometheus");
        command.Add(pattern);
        command.Add(output);
        choice.AddTo(command);
        command.SetAction(async (parsed, cancellation) =>
        {
            Regex? wanted = PatternOf(parsed.GetValue(pattern));
            string page = await GetAsync(choice.SocketBeside(parsed, SocketName), "/metrics", cancellation);
            string[] lines = [.. page.Split('\n', StringSplitOptions.RemoveEmptyEntries).Where(l => wanted is null || wanted.IsMatch(NameOf(l)))];
            if (parsed.GetValue(output) == "prometheus")
            {
                foreach (string line in lines)
                {
                    screen.Output.WriteLine(line);
                }

                return CommandLine.Ok;
            }

            string[] rows = [.. TextTable.Align([["METRIC", "LABELS", "VALUE"], .. lines.Where(l => l[0] != '#').Select(RowOf)])];
            screen.WriteHeader(rows[0]);
            foreach (string row in rows.Skip(1))
            {
                screen.Output.WriteLine(row);
            }

            return CommandLine.Ok;
        });
        return command;
    }

    /// <summary>cilium_drop_count_total{reason="Invalid packet",direction="INGRESS"} 3</summary>
    internal static string[] RowOf(string line)
    {
        int value = line.LastIndexOf(' ');
        int labels = line.IndexOf('{', StringComparison.Ordinal);
        return labels < 0
            ? [line[..value], "", line[(value + 1)..]]
            : [line[..labels], line[(labels + 1)..line.LastIndexOf('}')].Replace("\",", "\" ", StringComparison.Ordinal), line[(value + 1)..]];
    }

    private static string NameOf(string line)
    {
        string rest = line.StartsWith("# ", StringComparison.Ordinal) ? line[7..] : line; // # HELP, # TYPE
        int end = rest.IndexOfAny(['{', ' ']);
        return end < 0 ? rest : rest[..end];
    }

    private static Regex? PatternOf(string? text)
    {
        try
        {
            return text is null ? null : new Regex(text, RegexOptions.NonBacktracking);
        }
        catch (Exception fault) when (fault is ArgumentException or NotSupportedException)
        {
            throw new UsageException($"--match-pattern: '{text}' is no regular expression ({fault.Message.TrimEnd('.')})");
        }
    }

    private static async Task<string> GetAsync(string socket, string path, CancellationToken cancellation)
    {
        if (!File.Exists(socket))
        {
            throw new ControlConnectionException($"{socket}: there is no such socket; start the node's agent (cmesh-agent)");
        }

        using SocketsHttpHandler handler = new()
        {
            ConnectCallback = async (_, stop) =>
            {
                Socket connection = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
                try
                {
                    await connection.ConnectAsync(new UnixDomainSocketEndPoint(socket), stop);
                    return new NetworkStream(connection, ownsSocket: true);
                }
                catch
                {
                    connection.Dispose();
                    throw;
                }
            },
        };
        using HttpClient client = new(handler) { Timeout = s_patience };
        try
        {
            return await client.GetStringAsync(new Uri($"http://localhost{path}"), cancellation);
        }
        catch (Exception fault) when (fault is HttpRequestException || (fault is TaskCanceledException && !cancellation.IsCancellationRequested))
        {
            throw new ControlConnectionException($"{socket}: no agent answers there ({fault.Message.TrimEnd('.')}); is it running?", fault);
        }
    }
}
