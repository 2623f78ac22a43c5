namespace ClusterMesh.Datapath.Cli;

/// <summary>The person must say it differently; the message is one sentence. Ends the program with code 2.</summary>
internal sealed class UsageException(string message) : Exception(message);
