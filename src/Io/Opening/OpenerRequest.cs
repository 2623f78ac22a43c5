namespace ClusterMesh.Datapath.Io;

/// <summary>What the process that opens ports is asked, as it crosses its socket.</summary>
/// <param name="Tap">Of <see cref="OpenerWord.Make"/>.</param>
internal sealed record OpenerRequest(OpenerWord Word, string Namespace, string Interface = "", TapText? Tap = null, int QueueCount = 0, string Prefix = "", string Via = "", string? Source = null);
