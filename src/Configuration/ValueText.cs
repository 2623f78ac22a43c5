using System.Text;

namespace ClusterMesh.Datapath.Configuration;

/// <summary>How a value from outside is shown inside a sentence.</summary>
internal static class ValueText
{
    private const int LengthLimit = 60;

    /// <summary>In single quotes, on one line, cut when long.</summary>
    public static string Quote(string value)
    {
        StringBuilder text = new("'");
        foreach (char c in value.AsSpan(0, Math.Min(value.Length, LengthLimit)))
        {
            text.Append(char.IsControl(c) || char.IsSurrogate(c) ? '?' : c);
        }

        return text.Append(value.Length > LengthLimit ? "...'" : "'").ToString();
    }
}
