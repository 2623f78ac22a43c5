using System.Collections.Concurrent;
using System.Net;
using System.Net.NetworkInformation;
using System.Text.Json;
using ClusterMesh.Datapath.Control.Agent;

namespace ClusterMesh.Datapath.Agent.Probing;

/// <summary>
/// Tries every node of the mesh each minute, as cilium-health does: ICMP and HTTP to the node's address, and to its health endpoint when it
/// has one. A node of ours is also asked how it sees this one, so that a way that works in one direction only is seen at both its ends.
/// </summary>
/// <param name="self">cluster/name of this node.</param>
/// <param name="targets">All nodes that are known now.</param>
internal sealed class HealthProber(string self, HealthSettings settings, Func<IReadOnlyList<HealthTarget>> targets, TimeProvider time) : IDisposable
{
    private const int AtOnce = 32;
    private const int AnswerLengthLimit = 4096;
    private static readonly TimeSpan s_limit = TimeSpan.FromSeconds(3);

    private readonly ConcurrentDictionary<string, (HealthRow Row, long At)> _rows = new(StringComparer.Ordinal);
    private readonly HttpClient _http = new(new SocketsHttpHandler { UseProxy = false, AllowAutoRedirect = false, PooledConnectionLifetime = TimeSpan.Zero })
    {
        Timeout = s_limit,
        MaxResponseContentBufferSize = AnswerLengthLimit,
    };

    private long _lastRound;

    /// <summary>Rows in the order of clusters and nodes.</summary>
    public HealthResult Result => new(
        true, (int)settings.Interval.TotalSeconds,
        Interlocked.Read(ref _lastRound) is long ticks and not 0 ? new DateTimeOffset(ticks, TimeSpan.Zero) : null,
        [.. _rows.Values.Select(r => r.Row with { AgeSeconds = time.GetElapsedTime(r.At).TotalSeconds }).OrderBy(r => r.Cluster, StringComparer.Ordinal).ThenBy(r => r.Node, StringComparer.Ordinal)]);

    /// <summary>How a node was seen last; null when it was not tried yet.</summary>
    public HealthReport? ReportOf(string node) => _rows.TryGetValue(node, out (HealthRow Row, long At) found)
        ? new HealthReport(self, found.Row.NodeIcmp, found.Row.NodeHttp, time.GetElapsedTime(found.At).TotalSeconds)
        : null;

    public async Task RunAsync(CancellationToken cancellation)
    {
        while (true)
        {
            await ProbeAllAsync(cancellation);
            await Task.Delay(settings.Interval, time, cancellation);
        }
    }

    /// <summary>One round over all nodes; those that are gone are forgotten.</summary>
    public async Task ProbeAllAsync(CancellationToken cancellation)
    {
        IReadOnlyList<HealthTarget> all = targets();
        foreach (string gone in _rows.Keys.Except(all.Select(t => t.Key)))
        {
            _rows.TryRemove(gone, out _);
        }

        await Parallel.ForEachAsync(all, new ParallelOptions { MaxDegreeOfParallelism = AtOnce, CancellationToken = cancellation }, async (target, stop) =>
            _rows[target.Key] = (await ProbeAsync(target, stop), time.GetTimestamp()));
        Interlocked.Exchange(ref _lastRound, time.GetUtcNow().UtcTicks);
    }

    public void Dispose() => _http.Dispose();

    private async Task<HealthRow> ProbeAsync(HealthTarget target, CancellationToken cancellation)
    {
        Task<ProbeResult> icmp = PingAsync(target.Address);
        Task<ProbeResult> http = HelloAsync(target.Address, cancellation);
        Task<ProbeResult>? endpointIcmp = target.Endpoint is null ? null : PingAsync(target.Endpoint);
        Task<ProbeResult>? endpointHttp = target.Endpoint is null ? null : HelloAsync(target.Endpoint, cancellation);
        await http;
        HealthReport? back = (await http).Problem is null && target.Key != self ? await AskBackAsync(target, cancellation) : null;
        return new HealthRow(
            target.Cluster, target.Node, target.Address.ToString(), target.Key == self, await icmp, await http,
            target.Endpoint?.ToString(), endpointIcmp is null ? null : await endpointIcmp, endpointHttp is null ? null : await endpointHttp,
            back?.Icmp, back?.Http, back?.AgeSeconds, 0);
    }

    private async Task<ProbeResult> PingAsync(IPAddress address)
    {
        try
        {
            using Ping ping = new();
            long begin = time.GetTimestamp();
            PingReply reply = await ping.SendPingAsync(address, s_limit);
            return reply.Status == IPStatus.Success
                ? new ProbeResult(time.GetElapsedTime(begin).TotalMilliseconds)
                : new ProbeResult(null, reply.Status == IPStatus.TimedOut ? $"no ICMP answer within {s_limit.TotalSeconds:0} s" : $"ICMP: {reply.Status}");
        }
        catch (Exception fault) when (fault is PingException or InvalidOperationException or System.Net.Sockets.SocketException)
        {
            return new ProbeResult(null, $"ICMP: {Innermost(fault)}");
        }
    }

    private async Task<ProbeResult> HelloAsync(IPAddress address, CancellationToken cancellation)
    {
        try
        {
            long begin = time.GetTimestamp();
            using HttpResponseMessage answer = await _http.GetAsync(UrlOf(address, "/hello"), cancellation);
            return answer.IsSuccessStatusCode
                ? new ProbeResult(time.GetElapsedTime(begin).TotalMilliseconds)
                : new ProbeResult(null, $"HTTP answer {(int)answer.StatusCode}");
        }
        catch (HttpRequestException fault)
        {
            return new ProbeResult(null, $"HTTP: {Innermost(fault)}");
        }
        catch (OperationCanceledException) when (!cancellation.IsCancellationRequested)
        {
            return new ProbeResult(null, $"no HTTP answer within {s_limit.TotalSeconds:0} s");
        }
    }

    /// <summary>Null when the node does not tell: Cilium's does not know the question.</summary>
    private async Task<HealthReport?> AskBackAsync(HealthTarget target, CancellationToken cancellation)
    {
        try
        {
            using HttpResponseMessage answer = await _http.GetAsync(UrlOf(target.Address, $"/probes?node={Uri.EscapeDataString(self)}"), cancellation);
            return answer.IsSuccessStatusCode
                ? JsonSerializer.Deserialize(await answer.Content.ReadAsByteArrayAsync(cancellation), AgentJson.Tolerant.HealthReport) is { } report && report.Node == target.Key ? report : null
                : null;
        }
        catch (Exception fault) when (fault is HttpRequestException or JsonException || (fault is OperationCanceledException && !cancellation.IsCancellationRequested))
        {
            return null;
        }
    }

    private Uri UrlOf(IPAddress address, string path) =>
        new($"http://{(address.AddressFamily == System.Net.Sockets.AddressFamily.InterNetworkV6 ? $"[{address}]" : address.ToString())}:{settings.Port}{path}");

    private static string Innermost(Exception fault)
    {
        while (fault.InnerException is not null)
        {
            fault = fault.InnerException;
        }

        return fault.Message.TrimEnd('.');
    }
}
