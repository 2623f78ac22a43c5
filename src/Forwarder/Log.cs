namespace ClusterMesh.Datapath.Forwarder;

/// <summary>Lines for the person who runs the forwarder, on the error stream. Never called by the worker while it forwards.</summary>
internal static class Log
{
    public static void Write(string line)
    {
        try
        {
            Console.Error.WriteLine($"cmesh-forwarder: {line}");
        }
        catch (IOException)
        {
            // The disk of the log is full: forwarding goes on without a word.
        }
    }

    /// <summary>A line for whoever waits for it, on the output stream.</summary>
    public static void Announce(string line)
    {
        try
        {
            Console.WriteLine(line);
        }
        catch (IOException)
        {
            // Nobody may be able to read it: as above.
        }
    }
}
