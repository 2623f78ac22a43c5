using System.Text;

namespace ClusterMesh.Datapath.Cli.Text;

/// <summary>
/// Plain aligned columns in the manner of Go's tabwriter as Cilium's commands use it: a column is as wide as its widest cell plus
/// three blanks and at least five. The last cell of a line is not padded.
/// </summary>
internal static class TextTable
{
    private const int MinimumWidth = 5;
    private const int Padding = 3;

    public static IEnumerable<string> Align(IReadOnlyList<string[]> lines)
    {
        int columns = lines.Count == 0 ? 0 : lines.Max(line => line.Length);
        int[] widths = new int[columns];
        foreach (string[] line in lines)
        {
            for (int column = 0; column < line.Length - 1; column++)
            {
                widths[column] = Math.Max(widths[column], Math.Max(line[column].Length + Padding, MinimumWidth));
            }
        }

        StringBuilder text = new();
        foreach (string[] line in lines)
        {
            text.Clear();
            for (int column = 0; column < line.Length; column++)
            {
                text.Append(line[column]);
                if (column < line.Length - 1)
                {
                    text.Append(' ', widths[column] - line[column].Length);
                }
            }

            yield return text.ToString();
        }
    }
}
