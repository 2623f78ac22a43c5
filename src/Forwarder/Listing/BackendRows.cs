using ClusterMesh.Datapath.Control.Messages;
using ClusterMesh.Datapath.Control.Rows;
using ClusterMesh.Datapath.State;
using ClusterMesh.Datapath.State.Desired;

namespace ClusterMesh.Datapath.Forwarder.Listing;

/// <summary>
/// Backends with the services that use them, a page at a time. Of a million they are sorted once for all pages, and while changes go on: only the ids of a
/// page's rows are asked for under the node's gate.
/// </summary>
internal sealed class BackendRows(NodeRuntime node)
{
    /// <summary>Of the list that is being read; null between lists. Replaced whole, by whichever request comes first.</summary>
    private volatile Sorted? _sorted;

    public ListResult<BackendRow> Page(string? cursor, int limit)
    {
        (long version, DesiredState desired) = node.Read(writer => (writer.Version, writer.Desired));
        Sorted sorted = _sorted is { } known && ReferenceEquals(known.Desired, desired) ? known : new Sorted(desired);

        // A backend that has gone since has no id any more; the version says that the row is older than that.
        List<BackendRow> rows = node.Read(writer => Rows(writer, sorted.Uses, cursor, limit));
        bool isLast = rows.Count <= limit;
        _sorted = isLast ? null : sorted;
        return new ListResult<BackendRow>(version, isLast ? rows : rows[..limit], isLast ? null : rows[limit - 1].Backend);
    }

    /// <summary>The rows behind the cursor, one more than the limit if there are so many.</summary>
    private static List<BackendRow> Rows(StateWriter writer, Use[] uses, string? cursor, int limit)
    {
        int at = cursor is null ? 0 : FirstBehind(uses, cursor);
        List<BackendRow> rows = [];
        while (at < uses.Length && rows.Count <= limit)
        {
            int end = at + 1;
            while (end < uses.Length && uses[end].Key == uses[at].Key)
            {
                end++;
            }

            BackendSpec spec = uses[at].Spec;
            rows.Add(new BackendRow(
                writer.BackendIdOf(spec, uses[at].Service.Protocol), uses[at].Key, ServiceNames.Of(spec.State), spec.Cluster, spec.Node, [.. uses[at..end].Select(u => u.Service.Name)]));
            at = end;
        }

        return rows;
    }

    private static int FirstBehind(Use[] uses, string cursor)
    {
        int low = 0;
        int high = uses.Length;
        while (low < high)
        {
            int middle = (low + high) / 2;
            (low, high) = string.CompareOrdinal(uses[middle].Key, cursor) > 0 ? (low, middle) : (middle + 1, high);
        }

        return low;
    }

    private readonly record struct Use(string Key, BackendSpec Spec, ServiceSpec Service);

    /// <summary>Every use of a backend by a service, by the backend and then the service.</summary>
    private sealed class Sorted
    {
        public Sorted(DesiredState desired)
        {
            Desired = desired;
            Uses = [.. desired.Services.Values.SelectMany(s => s.Backends.Select(b => new Use(ServiceNames.Of(b.Address, b.Port, s.Protocol), b, s)))];
            Array.Sort(Uses, (x, y) => string.CompareOrdinal(x.Key, y.Key) is var order && order != 0 ? order : string.CompareOrdinal(x.Service.Name, y.Service.Name));
        }

        public DesiredState Desired { get; }

        public Use[] Uses { get; }
    }
}
