using System.Globalization;
using System.Text.Json;

namespace ClusterMesh.Datapath.Benchmarks.Abuse;

/// <summary>
/// <c>benchmarks abuse SOCKET...</c>: so many malformed requests to each control socket, from eight connections at once, and meanwhile every other kind of
/// client that means harm. Says as JSON, a line for each socket, what was sent and what became of it. ./run-lab.sh abuse measures what it costs others.
/// </summary>
internal static class AbuseCommand
{
    private const string Usage = "usage: benchmarks abuse SOCKET... --requests N [--seed N] [--clients NAME,...]";

    /// <summary>What a socket needs to be done with it all, far above what it takes.</summary>
    private static readonly TimeSpan s_patience = TimeSpan.FromMinutes(10);

    public static async Task<int> RunAsync(string[] arguments)
    {
        List<string> sockets = [];
        (int requests, int seed) = (0, 1);
        IReadOnlyList<HarmfulClient> clients = HarmfulClients.All;
        for (int i = 0; i < arguments.Length; i++)
        {
            bool isValue = arguments[i] is "--requests" or "--seed";
            if (arguments[i] == "--clients" && i + 1 < arguments.Length)
            {
                string[] names = arguments[++i].Split(',', StringSplitOptions.RemoveEmptyEntries);
                clients = [.. HarmfulClients.All.Where(c => names.Contains(c.Name))];
                if (clients.Count != names.Length)
                {
                    Console.Error.WriteLine($"--clients takes some of {string.Join(", ", HarmfulClients.All.Select(c => c.Name))}, not {arguments[i]}");
                    return 2;
                }
            }
            else if (!isValue)
            {
                sockets.Add(arguments[i]);
            }
            else if (++i == arguments.Length || !int.TryParse(arguments[i], NumberStyles.None, CultureInfo.InvariantCulture, out int number))
            {
                Console.Error.WriteLine($"{arguments[i - 1]} takes a whole number; {Usage}");
                return 2;
            }
            else if (arguments[i - 1] == "--requests")
            {
                requests = number;
            }
            else
            {
                seed = number;
            }
        }

        if (sockets.Count == 0 || requests < 1 || sockets.Find(s => s.StartsWith('-')) is not null)
        {
            Console.Error.WriteLine(Usage);
            return 2;
        }

        if (sockets.Find(s => !File.Exists(s)) is { } missing)
        {
            Console.Error.WriteLine($"{missing}: there is no such socket");
            return 2;
        }

        using CancellationTokenSource end = new(s_patience);
        AbuseTally[] tallies = await Task.WhenAll(sockets.Select((socket, index) => AbuseSocketAsync(socket, requests, seed + (1000 * index), clients, end.Token)));
        foreach (AbuseTally tally in tallies)
        {
            Console.WriteLine(JsonSerializer.Serialize(tally.Report(), JsonSerializerOptions.Web));
        }

        return tallies.All(t => t.IsAnswered) ? 0 : 1;
    }

    private static async Task<AbuseTally> AbuseSocketAsync(string socket, int requests, int seed, IReadOnlyList<HarmfulClient> clients, CancellationToken cancellation)
    {
        const int Connections = 8;
        AbuseTally tally = new(socket, requests);
        using CancellationTokenSource others = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        Task[] beside = [.. clients.Select(client => Task.Run(() => RepeatAsync(client, tally, others.Token), CancellationToken.None))];
        await Task.WhenAll(Enumerable.Range(0, Connections).Select(i => Task.Run(() => new MalformedClient(tally, seed + i).RunAsync(cancellation), CancellationToken.None)));
        tally.End();
        await others.CancelAsync();
        await Task.WhenAll(beside);
        return tally;
    }

    private static async Task RepeatAsync(HarmfulClient client, AbuseTally tally, CancellationToken cancellation)
    {
        while (!cancellation.IsCancellationRequested)
        {
            try
            {
                await client.Run(tally.SocketPath, cancellation);
                tally.Count(client.Name);
            }
            catch (System.Net.Sockets.SocketException)
            {
                tally.Count(client.Name); // Cut off, as it deserves.
            }
            catch (OperationCanceledException)
            {
                // The end; one in its middle is no turn.
            }
        }
    }
}
