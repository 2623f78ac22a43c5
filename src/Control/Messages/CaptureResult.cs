namespace ClusterMesh.Datapath.Control.Messages;

/// <summary>
/// Result of <c>capture</c>: a socket that gives the first who connects within ten seconds a pcapng stream. When its reader shuts its own side down
/// the stream ends with the interfaces' statistics, lost frames among them.
/// </summary>
public sealed record CaptureResult(string Path);
