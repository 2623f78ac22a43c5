using ClusterMesh.Datapath.Control.Agent;
using ClusterMesh.Datapath.Observe.Page;

namespace ClusterMesh.Datapath.Agent.Observing;

/// <summary>Makes what the web page shows beside flows. Its metrics are its own: shares are of the time since its last question.</summary>
internal sealed class PageStates(AgentRuntime agent, AgentStates states, MetricsStates metrics, string version)
{
    public PageState Read() => new()
    {
        Agent = states.Read(),
        Metrics = metrics.Read(),
        Version = version,
        Health = [.. (agent.Health?.Result.Rows ?? []).Select(ToHealth)],
        Warnings = [.. agent.Warnings.Concat(agent.PeerWarnings()).Distinct()],
    };

    private static PageNodeHealth ToHealth(HealthRow row)
    {
        (string Way, ProbeResult? Probe)[] probes =
        [
            ("ICMP to the node", row.NodeIcmp), ("HTTP to the node", row.NodeHttp), ("ICMP to its health endpoint", row.EndpointIcmp),
            ("HTTP to its health endpoint", row.EndpointHttp), ("ICMP from the node back", row.BackIcmp), ("HTTP from the node back", row.BackHttp),
        ];
        string[] problems = [.. probes.Where(p => p.Probe?.Problem is not null).Select(p => $"{p.Way}: {p.Probe!.Problem}")];
        return new PageNodeHealth($"{row.Cluster}/{row.Node}", problems.Length == 0 ? null : string.Join("; ", problems), row.NodeIcmp?.Milliseconds ?? row.NodeHttp?.Milliseconds);
    }
}
