using System.Diagnostics;
using System.Globalization;
using ClusterMesh.Datapath.Control;
using ClusterMesh.Datapath.Control.Agent;
using ClusterMesh.Datapath.Control.Messages;

namespace ClusterMesh.Datapath.Benchmarks.Mesh;

/// <summary>One mesh, one agent that joins it, and what that costs.</summary>
/// <param name="report">What, how much, unit, target; gives whether it is met.</param>
internal sealed class ScaleRun(string agent, ScaleSize size, int changeCount, Func<string, double, string, double?, bool> report)
{
    private static readonly TimeSpan s_limit = TimeSpan.FromMinutes(5);
    private static readonly TimeSpan s_beat = TimeSpan.FromSeconds(30);

    /// <summary>Not one of the simulated clusters'.</summary>
    private const int OwnId = 255;

    private readonly string _directory = Directory.CreateTempSubdirectory("cmesh-scale-").FullName;

    public async Task<bool> RunAsync()
    {
        List<SimulatedEtcd> etcds = [];
        using CancellationTokenSource stop = new();
        try
        {
            SimulatedCluster[] clusters = [.. size.SimulatedClusters().Take(OwnId - 1)];
            for (int i = 0; i < Math.Min(size.Etcds, clusters.Length); i++)
            {
                etcds.Add(await SimulatedEtcd.StartAsync(_directory, $"etcd{i}"));
            }

            await Task.WhenAll(etcds.Select((etcd, i) => etcd.FillAsync(clusters.Where((_, c) => c % etcds.Count == i))));
            Task beating = BeatAsync(etcds, stop.Token);
            bool well = await MeasureAsync(clusters, etcds);
            await stop.CancelAsync();
            await beating;
            return well;
        }
        finally
        {
            foreach (SimulatedEtcd etcd in etcds)
            {
                await etcd.DisposeAsync();
            }

            Directory.Delete(_directory, recursive: true);
        }
    }

    private static async Task BeatAsync(List<SimulatedEtcd> etcds, CancellationToken cancellation)
    {
        try
        {
            while (true)
            {
                await Task.WhenAll(etcds.Select(e => e.BeatAsync()));
                await Task.Delay(s_beat, cancellation);
            }
        }
        catch (OperationCanceledException)
        {
            // The end of the run.
        }
    }

    private async Task<bool> MeasureAsync(SimulatedCluster[] clusters, List<SimulatedEtcd> etcds)
    {
        string title = $"{clusters.Length} clusters, {clusters.Sum(c => c.NodeCount):n0} nodes, {clusters.Sum(c => c.PodCount):n0} endpoints, {size.Keys:n0} keys";
        await using StandInForwarder forwarder = new(Path.Combine(_directory, "control.sock"));
        await File.WriteAllTextAsync(Path.Combine(_directory, "agent.yaml"), Settings());
        Process process = StartAgent();
        try
        {
            await using ControlClient client = await ConnectAsync(process);
            await client.CallAsync("apply", new ManifestRequest([new ManifestFile("services", Manifest())]), AgentJson.Default.ManifestRequest, AgentJson.Tolerant.ManifestResult);
            long begin = Stopwatch.GetTimestamp();
            TimeSpan busyBefore = process.TotalProcessorTime;
            string mesh = Path.Combine(_directory, "clustermesh");
            for (int c = 0; c < clusters.Length; c++)
            {
                await File.WriteAllTextAsync(Path.Combine(mesh, clusters[c].Name), $"endpoints: [\"{etcds[c % etcds.Count].Endpoint.GetLeftPart(UriPartial.Authority)}\"]\n");
            }

            string? missing = await UntilReadyAsync(client, clusters.Length);
            if (missing is not null || !await forwarder.UntilAsync(() => forwarder.NodeCount >= clusters.Sum(c => c.NodeCount), s_limit))
            {
                Console.Error.WriteLine($"{title}: not ready within {s_limit.TotalMinutes:0} minutes{(missing is null ? "" : $": {missing}")}");
                return false;
            }

            bool well = report($"{title}: ready", Stopwatch.GetElapsedTime(begin).TotalSeconds, "s", clusters.Length == 1 ? 3 : 60);
            process.Refresh();
            report("  processor time for it", (process.TotalProcessorTime - busyBefore).TotalSeconds, "s", null);
            report("  configurations pushed meanwhile", forwarder.ApplyCount, "", null);
            well &= await PropagateAsync(clusters, etcds, forwarder);
            process.Refresh();
            well &= report("  memory of the agent, at its highest", process.PeakWorkingSet64 / 1048576.0, "MB", 1024);
            return well;
        }
        finally
        {
            process.Kill();
            await process.WaitForExitAsync();
            process.Dispose();
        }
    }

    /// <summary>A backend more or less in some cluster's service, from the write into its etcd to the configuration that has it.</summary>
    private async Task<bool> PropagateAsync(SimulatedCluster[] clusters, List<SimulatedEtcd> etcds, StandInForwarder forwarder)
    {
        List<double> times = [];
        Random random = new(7);
        for (int i = 0; i < changeCount; i++)
        {
            int at = random.Next(clusters.Length);
            int service = random.Next(size.Services);
            SimulatedCluster cluster = clusters[at];
            string name = $"default/{SimulatedCluster.ServiceName(service)}";
            string address = cluster.Backend(service, Math.Min(4, cluster.PodCount - 1));
            bool wanted = !forwarder.Has(name, cluster.Name, address);
            long begin = Stopwatch.GetTimestamp();
            await etcds[at % etcds.Count].Store.CommitAsync([cluster.Service(service, wanted ? 5 : 4)]);
            if (!await forwarder.UntilAsync(() => forwarder.Has(name, cluster.Name, address) == wanted, s_limit))
            {
                Console.Error.WriteLine($"a change of {name} in {cluster.Name} has not reached the forwarder within {s_limit.TotalMinutes:0} minutes");
                return false;
            }

            times.Add(Stopwatch.GetElapsedTime(begin).TotalMilliseconds);
        }

        times.Sort();
        return report($"  a change in a cluster -> the forwarder's configuration, median of {changeCount}", times[times.Count / 2], "ms", 100)
            & report("  the same, p99", times[Math.Min(times.Count - 1, (int)(times.Count * 0.99))], "ms", 500);
    }

    private Process StartAgent()
    {
        Directory.CreateDirectory(Path.Combine(_directory, "clustermesh"));
        Process process = Process.Start(new ProcessStartInfo(agent, ["--config", Path.Combine(_directory, "agent.yaml")]) { RedirectStandardError = true, RedirectStandardOutput = true })!;
        process.BeginErrorReadLine();
        process.BeginOutputReadLine();
        return process;
    }

    private async Task<ControlClient> ConnectAsync(Process process)
    {
        for (Stopwatch waited = Stopwatch.StartNew(); ; await Task.Delay(50))
        {
            try
            {
                return await ControlClient.ConnectAsync(Path.Combine(_directory, "agent.sock"), TimeSpan.FromSeconds(60));
            }
            catch (ControlConnectionException) when (!process.HasExited && waited.Elapsed < s_limit)
            {
                // Not up yet.
            }
        }
    }

    /// <returns>Null, or the clusters that are not ready at the limit.</returns>
    private static async Task<string?> UntilReadyAsync(ControlClient client, int count)
    {
        Stopwatch waited = Stopwatch.StartNew();
        while (true)
        {
            AgentStatus status = await client.CallAsync("status", new NoContent(), ControlJson.Default.NoContent, AgentJson.Tolerant.AgentStatus);
            if (status.Clusters.Count == count && status.Clusters.All(c => c.Ready))
            {
                return null;
            }

            if (waited.Elapsed > s_limit)
            {
                return string.Join(", ", status.Clusters.Where(c => !c.Ready).Select(c => $"{c.Name}: {c.Problem}"));
            }

            await Task.Delay(100);
        }
    }

    private string Settings() => $$"""
        cluster: {name: here, id: {{OwnId}}}
        node: {name: here-0, addresses: [192.168.0.1], podCIDRs: [192.168.1.0/24]}
        store: {directory: {{_directory}}/store}
        remote: {directory: {{_directory}}/clustermesh}
        forwarder: {socket: {{_directory}}/control.sock}
        socket: {{_directory}}/agent.sock
        """;

    private string Manifest() => string.Join("\n---\n", Enumerable.Range(0, size.Services).Select(s => string.Create(CultureInfo.InvariantCulture, $$$"""
        kind: Service
        metadata: {name: {{{SimulatedCluster.ServiceName(s)}}}, annotations: {service.cilium.io/global: "true"}}
        spec: {clusterIP: 10.255.{{{s >> 8}}}.{{{s & 255}}}, ports: [{name: http, port: 80}]}
        """)));
}
