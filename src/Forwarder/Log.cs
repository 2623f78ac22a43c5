namespace ClusterMesh.Datapath.Forwarder;

/// <summary>Lines for the person who runs the forwarder, on the error stream. Never called by the worker while it forwards.</summary>
internal static class Log
{
    public static void Write(string line) => Console.Error.WriteLine($"cmesh-forwarder: {line}");
}
