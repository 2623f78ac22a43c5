namespace ClusterMesh.Datapath.Cli.Text;

/// <summary>Plain aligned columns for lines that are all there.</summary>
internal static class TextTable
{
    public static IEnumerable<string> Align(IReadOnlyList<string[]> lines)
    {
        TextColumns columns = new();
        foreach (string[] line in lines)
        {
            columns.Fit(line);
        }

        return lines.Select(columns.Format);
    }
}
