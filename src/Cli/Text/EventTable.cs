using ClusterMesh.Datapath.Control.Messages;

namespace ClusterMesh.Datapath.Cli.Text;

/// <summary>
/// The lines of a watch: what happened in a column of its own, then the row under the columns of the header. The rows are kept, since
/// an event of a removal has only the key; not so for kinds without columns, whose keys say all and whose rows may be many.
/// </summary>
internal sealed class EventTable<TRow>(RowText<TRow> text, Func<TRow, string> keyOf)
    where TRow : class
{
    private readonly TextColumns _columns = new();
    private readonly Dictionary<string, TRow> _rows = [];

    private bool HasColumns => text.Header.Length > 0;

    /// <summary>What was there when the watch began, sorted; the header, if any, is the first line.</summary>
    public IReadOnlyList<string> Begin(IReadOnlyList<TRow> rows)
    {
        List<string[]> lines = HasColumns ? [["EVENT", .. text.Header]] : [];
        foreach (TRow row in rows.OrderBy(text.SortKey, NaturalOrder.Instance))
        {
            Keep(keyOf(row), row);
            lines.AddRange(Lines(WatchEventType.Added, row));
        }

        // The longest of the words, so that the first removal moves nothing.
        _columns.Fit([Word(WatchEventType.Removed), ""]);
        return Format(lines);
    }

    public IReadOnlyList<string> Next(WatchEvent<TRow> happened)
    {
        string key = happened.Key ?? "";
        if (happened.Object is TRow row)
        {
            Keep(key, row);
            return Format(Lines(happened.Type, row));
        }

        return Format(_rows.Remove(key, out TRow? last) ? Lines(happened.Type, last) : [[Word(happened.Type), key]]);
    }

    private void Keep(string key, TRow row)
    {
        if (HasColumns)
        {
            _rows[key] = row;
        }
    }

    private IReadOnlyList<string[]> Lines(WatchEventType type, TRow row) =>
        [.. text.Lines(row).Select((cells, number) => (string[])[number == 0 ? Word(type) : "", .. cells])];

    private IReadOnlyList<string> Format(IReadOnlyList<string[]> lines)
    {
        foreach (string[] line in lines)
        {
            _columns.Fit(line);
        }

        return [.. lines.Select(_columns.Format)];
    }

    private static string Word(WatchEventType type) => type.ToString().ToUpperInvariant();
}
