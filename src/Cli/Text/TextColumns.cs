using System.Text;

namespace ClusterMesh.Datapath.Cli.Text;

/// <summary>
/// The columns of a table in the manner of Go's tabwriter as Cilium's commands use it: a column is as wide as its widest cell plus
/// three blanks and at least five. The last cell of a line is not padded. Columns only grow, so that later lines stand below earlier ones.
/// </summary>
internal sealed class TextColumns
{
    private const int MinimumWidth = 5;
    private const int Padding = 3;

    private readonly List<int> _widths = [];

    public void Fit(string[] line)
    {
        for (int column = 0; column < line.Length - 1; column++)
        {
            int width = Math.Max(line[column].Length + Padding, MinimumWidth);
            if (column == _widths.Count)
            {
                _widths.Add(width);
            }
            else
            {
                _widths[column] = Math.Max(_widths[column], width);
            }
        }
    }

    /// <summary>The line must have been fitted.</summary>
    public string Format(string[] line)
    {
        StringBuilder text = new();
        for (int column = 0; column < line.Length; column++)
        {
            text.Append(line[column]);
            if (column < line.Length - 1)
            {
                text.Append(' ', _widths[column] - line[column].Length);
            }
        }

        return text.ToString();
    }
}
