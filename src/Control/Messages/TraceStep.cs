namespace ClusterMesh.Datapath.Control.Messages;

/// <summary>One stage: what it looked for and where, what it found, and the flow behind it where the stage has rewritten it.</summary>
public sealed record TraceStep(string Stage, string Lookup, string Result, string? Flow = null);
