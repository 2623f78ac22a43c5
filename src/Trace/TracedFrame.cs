namespace ClusterMesh.Datapath.Trace;

/// <summary>A frame and the name of the port that it comes in by.</summary>
internal sealed record TracedFrame(string Port, byte[] Bytes);
