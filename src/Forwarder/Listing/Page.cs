using ClusterMesh.Datapath.Control;
using ClusterMesh.Datapath.Control.Messages;

namespace ClusterMesh.Datapath.Forwarder.Listing;

/// <summary>Cuts an ordered list into the pages of <c>list</c>. A cursor is the key of the last row given, so a page follows it whatever came or went.</summary>
internal static class Page
{
    /// <param name="rows">In ascending order of their key.</param>
    /// <param name="isBehind">Whether a row comes behind the cursor.</param>
    public static ListResult<TRow> Of<TRow>(long version, IEnumerable<TRow> rows, string? cursor, int limit, Func<TRow, string> keyOf, Func<TRow, bool>? isBehind = null)
    {
        IEnumerable<TRow> rest = cursor is null ? rows : rows.Where(isBehind ?? (r => string.CompareOrdinal(keyOf(r), cursor) > 0));
        var items = new List<TRow>();
        foreach (TRow row in rest)
        {
            if (items.Count == limit)
            {
                return new ListResult<TRow>(version, items, keyOf(items[^1]));
            }

            items.Add(row);
        }

        return new ListResult<TRow>(version, items);
    }

    /// <summary>A cursor that is the number of a table's entry.</summary>
    public static int EntryOf(string? cursor)
    {
        int entry = 0;
        return cursor is null || (int.TryParse(cursor, out entry) && entry >= 0)
            ? entry
            : throw new ControlException(ErrorCode.InvalidParams, $"cursor: '{cursor}' was not given by this list; begin again without one");
    }
}
