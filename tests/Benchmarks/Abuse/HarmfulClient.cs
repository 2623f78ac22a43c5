namespace ClusterMesh.Datapath.Benchmarks.Abuse;

/// <summary>A kind of client that means harm.</summary>
/// <param name="Run">One turn against a socket: from its connection to its end.</param>
internal sealed record HarmfulClient(string Name, Func<string, CancellationToken, Task> Run);
