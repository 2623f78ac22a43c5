using System.Text;

namespace ClusterMesh.Datapath.Mesh.Schema;

/// <summary>Foreign text in messages: short, and without characters that a terminal would obey.</summary>
internal static class Shown
{
    private const int LengthLimit = 80;
    private const int SentenceLimit = 500;

    public static string Quote(string? text)
    {
        if (text is null)
        {
            return "null";
        }

        StringBuilder shown = new("'");
        Append(shown, text, LengthLimit);
        return shown.Append(text.Length > LengthLimit ? "…'" : "'").ToString();
    }

    /// <summary>A sentence of somebody else's, on one line.</summary>
    public static string Plain(string text)
    {
        StringBuilder shown = new();
        Append(shown, text, SentenceLimit);
        return shown.ToString();
    }

    private static void Append(StringBuilder shown, string text, int limit)
    {
        foreach (char c in text.AsSpan(0, Math.Min(text.Length, limit)))
        {
            shown.Append(char.IsControl(c) || char.IsSurrogate(c) ? '?' : c);
        }
    }
}
