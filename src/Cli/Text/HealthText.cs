using System.Globalization;
using ClusterMesh.Datapath.Control.Agent;

namespace ClusterMesh.Datapath.Cli.Text;

/// <summary>
/// How nodes reach each other: the block of <c>status --verbose</c> and the page of cilium-health. The column and the line about the way back
/// Cilium does not have.
/// </summary>
internal static class HealthText
{
    /// <summary>Cluster health: 3/4 reachable; then a line a node.</summary>
    public static IEnumerable<string> Block(HealthResult health)
    {
        if (!health.IsEnabled)
        {
            yield return "Cluster health:          probes disabled; add 'health:' to the agent's file";
            yield break;
        }

        yield return $"Cluster health:          {health.Rows.Count(IsReachable)}/{health.Rows.Count} reachable   ({(health.LastRound is DateTimeOffset last ? last.ToString("yyyy-MM-dd'T'HH:mm:ss'Z'", CultureInfo.InvariantCulture) : "not probed yet")})";
        List<string[]> table = [["Name", "IP", "Node", "Endpoints", "From there"]];
        table.AddRange(health.Rows.Select(r => (string[])
        [
            NameOf(r), r.Address, Word(r.NodeIcmp, r.NodeHttp), r.EndpointAddress is null ? "-" : Word(r.EndpointIcmp, r.EndpointHttp), r.IsLocal ? "-" : BackWord(r),
        ]));
        foreach (string line in TextTable.Align(table))
        {
            yield return $"  {line}";
        }
    }

    /// <summary>The page of cilium-health status.</summary>
    public static IEnumerable<string> Page(HealthResult health)
    {
        if (!health.IsEnabled)
        {
            yield return "Probes are disabled; add 'health:' to the agent's file";
            yield break;
        }

        yield return $"Probe time:   {(health.LastRound is DateTimeOffset last ? last.ToString("yyyy-MM-dd'T'HH:mm:ss'Z'", CultureInfo.InvariantCulture) : "not yet")}";
        yield return "Nodes:";
        foreach (HealthRow row in health.Rows)
        {
            yield return $"  {NameOf(row)}:";
            yield return $"    Host connectivity to {row.Address}:";
            yield return $"      ICMP to stack:   {Line(row.NodeIcmp)}";
            yield return $"      HTTP to agent:   {Line(row.NodeHttp)}";
            if (row.EndpointAddress is string endpoint)
            {
                yield return $"    Endpoint connectivity to {endpoint}:";
                yield return $"      ICMP to stack:   {Line(row.EndpointIcmp)}";
                yield return $"      HTTP to agent:   {Line(row.EndpointHttp)}";
            }

            if (!row.IsLocal)
            {
                yield return row.BackAgeSeconds is double age ? $"    From there to here, {StatusText.Duration((long)age)} ago:" : "    From there to here:";
                yield return $"      ICMP to stack:   {Line(row.BackIcmp)}";
                yield return $"      HTTP to agent:   {Line(row.BackHttp)}";
            }
        }
    }

    /// <summary>Every node answers, and none says that it does not reach this one.</summary>
    public static bool IsWell(HealthResult health) => health.Rows.All(IsReachable);

    private static bool IsReachable(HealthRow row) =>
        new[] { row.NodeIcmp, row.NodeHttp, row.EndpointIcmp, row.EndpointHttp, row.BackIcmp, row.BackHttp }.All(p => p?.Problem is null) && row.NodeIcmp is not null;

    private static string NameOf(HealthRow row) => $"{row.Cluster}/{row.Node}{(row.IsLocal ? " (localhost)" : "")}";

    private static string BackWord(HealthRow row) => row.BackIcmp is null && row.BackHttp is null ? "unknown" : Word(row.BackIcmp, row.BackHttp);

    private static string Word(ProbeResult? icmp, ProbeResult? http) => (icmp?.Problem, http?.Problem) switch
    {
        (null, null) => icmp is null && http is null ? "unknown" : "reachable",
        (not null, not null) => "unreachable",
        (string problem, null) => $"partly: {problem}",
        (null, string problem) => $"partly: {problem}",
    };

    private static string Line(ProbeResult? probe) => probe switch
    {
        null => "unknown",
        { Milliseconds: double time } => string.Create(CultureInfo.InvariantCulture, $"OK, RTT={time:0.###}ms"),
        _ => probe.Problem ?? "unknown",
    };
}
