namespace ClusterMesh.Datapath.Pipeline;

/// <summary>Takes a frame that is another worker's and lies in no buffer of the burst; copies it.</summary>
/// <param name="frame">With the note that says whose it is. Its buffer means nothing.</param>
public delegate void SteeringOutlet(in BurstFrame frame, ReadOnlySpan<byte> bytes);
