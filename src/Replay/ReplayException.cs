namespace ClusterMesh.Datapath.Replay;

/// <summary>A replay that cannot be: the message is one sentence that says what is wrong with which input and what to do.</summary>
public sealed class ReplayException : Exception
{
    public ReplayException(string message)
        : base(message)
    {
    }

    public ReplayException(string message, Exception cause)
        : base(message, cause)
    {
    }
}
