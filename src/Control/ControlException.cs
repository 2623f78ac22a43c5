namespace ClusterMesh.Datapath.Control;

/// <summary>
/// A request that is refused: a handler of the server throws it, a client gets it thrown. The message is one sentence that says
/// what, where and what to do.
/// </summary>
public sealed class ControlException(ErrorCode code, string message) : Exception(message)
{
    public ErrorCode Code { get; } = code;
}
