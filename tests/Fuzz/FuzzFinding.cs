namespace ClusterMesh.Datapath.Fuzz;

/// <summary>An input has shown a fault.</summary>
internal sealed class FuzzFinding(string message) : Exception(message)
{
    /// <summary>Throws unless it holds.</summary>
    public static void Unless(bool holds, string otherwise)
    {
        if (!holds)
        {
            throw new FuzzFinding(otherwise);
        }
    }

    /// <summary>What people read is one sentence on one line, of a length that a log takes.</summary>
    public static void UnlessSentence(string message)
    {
        Unless(message.Length is > 0 and <= 4096, $"a message of {message.Length} characters");
        Unless(!message.Any(char.IsControl), $"a message with control characters: {message}");
    }
}
