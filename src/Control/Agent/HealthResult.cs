namespace ClusterMesh.Datapath.Control.Agent;

/// <summary>Answer of <c>health</c>.</summary>
/// <param name="IsEnabled">The agent's file has a health section.</param>
/// <param name="LastRound">When all nodes were last tried; null before the first round's end.</param>
public sealed record HealthResult(bool IsEnabled, int IntervalSeconds, DateTimeOffset? LastRound, IReadOnlyList<HealthRow> Rows);
