using System.Text;

namespace ClusterMesh.Datapath.Mesh.Schema;

/// <summary>Foreign text in messages: short, and without characters that a terminal would obey.</summary>
internal static class Shown
{
    private const int LengthLimit = 80;

    public static string Quote(string? text)
    {
        if (text is null)
        {
            return "null";
        }

        StringBuilder shown = new("'");
        foreach (char c in text.AsSpan(0, Math.Min(text.Length, LengthLimit)))
        {
            shown.Append(char.IsControl(c) || char.IsSurrogate(c) ? '?' : c);
        }

        return shown.Append(text.Length > LengthLimit ? "…'" : "'").ToString();
    }
}
