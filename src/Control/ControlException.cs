namespace ClusterMesh.Datapath.Control;

/// <summary>
/// A request that is refused: a handler of the server throws it, a client gets it thrown. The message is one sentence that says
/// what, where and what to do; what it quotes of the request's own stays on its line, and is cut when long.
/// </summary>
public sealed class ControlException(ErrorCode code, string message) : Exception(Sentence(message))
{
    private const int LengthLimit = 2000;

    public ErrorCode Code { get; } = code;

    private static string Sentence(string message) => string.Create(Math.Min(message.Length, LengthLimit), message, (sentence, all) =>
    {
        for (int i = 0; i < sentence.Length; i++)
        {
            sentence[i] = char.IsControl(all[i]) ? '?' : all[i];
        }
    });
}
