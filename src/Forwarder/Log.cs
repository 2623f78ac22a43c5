using ClusterMesh.Datapath.Control;

namespace ClusterMesh.Datapath.Forwarder;

/// <summary>Lines for the person who runs the forwarder, on the error stream, as many as <see cref="LogLimiter"/> lets through. Never called by the worker while it forwards.</summary>
internal static class Log
{
    private static readonly LogLimiter s_limiter = new(WriteOut, TimeProvider.System);

    public static void Write(string line) => s_limiter.Write(line);

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

    private static void WriteOut(string line)
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
}
