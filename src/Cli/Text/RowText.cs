namespace ClusterMesh.Datapath.Cli.Text;

/// <summary>How the rows of a kind are printed.</summary>
/// <param name="Header">Empty for kinds whose lines explain themselves.</param>
/// <param name="Lines">The lines of one row, as cells.</param>
/// <param name="SortKey">Compared by <see cref="NaturalOrder"/>.</param>
internal sealed record RowText<TRow>(string[] Header, Func<TRow, IEnumerable<string[]>> Lines, Func<TRow, string> SortKey)
{
    /// <summary>The whole table, sorted; the header, if any, is the first line.</summary>
    public IEnumerable<string> Format(IEnumerable<TRow> rows)
    {
        IEnumerable<string[]> lines = rows.OrderBy(SortKey, NaturalOrder.Instance).SelectMany(Lines);
        return TextTable.Align([.. Header.Length == 0 ? lines : lines.Prepend(Header)]);
    }
}
