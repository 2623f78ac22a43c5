using System.Text;

namespace ClusterMesh.Datapath.Configuration;

/// <summary>How a value from outside is shown inside a sentence.</summary>
internal static class ValueText
{
    private const int LengthLimit = 60;

    /// <summary>A sentence with what it quotes.</summary>
    private const int SentenceLimit = 500;

    /// <summary>In single quotes, on one line, cut when long.</summary>
    public static string Quote(string value)
    {
        StringBuilder text = new("'");
        Append(text, value, LengthLimit);
        return text.Append(value.Length > LengthLimit ? "...'" : "'").ToString();
    }

    /// <summary>A sentence that has text from outside in it: on one line, without characters that a terminal would obey, cut when long.</summary>
    public static string Sentence(string text)
    {
        StringBuilder sentence = new();
        Append(sentence, text, SentenceLimit);
        return sentence.Append(text.Length > SentenceLimit ? "..." : "").ToString();
    }

    private static void Append(StringBuilder text, string value, int limit)
    {
        foreach (char c in value.AsSpan(0, Math.Min(value.Length, limit)))
        {
            text.Append(char.IsControl(c) || char.IsSurrogate(c) ? '?' : c);
        }
    }
}
