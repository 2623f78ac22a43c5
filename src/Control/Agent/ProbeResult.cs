namespace ClusterMesh.Datapath.Control.Agent;

/// <summary>One probe: its round trip, or why there was no answer.</summary>
public sealed record ProbeResult(double? Milliseconds, string? Problem = null);
