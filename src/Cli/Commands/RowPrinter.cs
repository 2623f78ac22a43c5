using System.Text.Json;
using ClusterMesh.Datapath.Cli.Text;
using ClusterMesh.Datapath.Control;
using ClusterMesh.Datapath.Control.Messages;

namespace ClusterMesh.Datapath.Cli.Commands;

/// <summary>Prints the rows of a kind, once or as they change.</summary>
internal sealed class RowPrinter<TRow>(Screen screen, ControlKind<TRow> kind, RowText<TRow> text, bool json)
    where TRow : class
{
    /// <summary>More rows than this are printed as they come, unsorted, when their lines need no alignment: a conntrack dump may have millions.</summary>
    private const int LongestSorted = 100_000;

    public async Task ListAsync(ControlClient client, CancellationToken cancellation)
    {
        if (json)
        {
            await ListJsonAsync(client, cancellation);
            return;
        }

        List<TRow> rows = [];
        bool streams = false;
        await foreach (TRow row in client.ListAsync(kind, cancellation))
        {
            rows.Add(row);
            if (rows.Count >= LongestSorted && text.Header.Length == 0)
            {
                streams = true;
                WriteUnsorted(rows);
                rows.Clear();
            }
        }

        if (streams)
        {
            WriteUnsorted(rows);
        }
        else
        {
            WriteLines(text.Format(rows));
        }
    }

    /// <summary>The first full set as a table; after it the rows that changed, under the same columns. Ends well when interrupted.</summary>
    public async Task WatchAsync(ControlClient client, CancellationToken cancellation)
    {
        List<TRow>? first = [];
        EventTable<TRow> table = new(text, kind.Key);
        try
        {
            await foreach (WatchEvent<TRow> happened in client.WatchAsync(kind, null, cancellation))
            {
                if (happened.Type == WatchEventType.Ended)
                {
                    throw new ControlException(ErrorCode.InternalError, $"the forwarder ended the watch: {happened.Message}");
                }

                if (json)
                {
                    screen.Output.WriteLine(JsonSerializer.Serialize(happened, OutputJson.RowType<WatchEvent<TRow>>()));
                }
                else if (first is not null && happened.Object is not null)
                {
                    first.Add(happened.Object);
                    continue;
                }
                else if (happened.Type == WatchEventType.Synced)
                {
                    WriteLines(table.Begin(first!));
                    first = null;
                }
                else
                {
                    foreach (string line in table.Next(happened))
                    {
                        screen.Output.WriteLine(line);
                    }
                }

                await screen.Output.FlushAsync(cancellation);
            }
        }
        catch (OperationCanceledException) when (cancellation.IsCancellationRequested)
        {
            // Interrupting is how a watch ends.
        }
    }

    private async Task ListJsonAsync(ControlClient client, CancellationToken cancellation)
    {
        string before = "[";
        await foreach (TRow row in client.ListAsync(kind, cancellation))
        {
            screen.Output.WriteLine(before);
            screen.Output.Write("  " + JsonSerializer.Serialize(row, OutputJson.RowType<TRow>()));
            before = ",";
        }

        screen.Output.WriteLine(before == "[" ? "[]" : "\n]");
    }

    /// <summary>The first line is the header where the kind has one.</summary>
    private void WriteLines(IEnumerable<string> lines)
    {
        bool isHeader = text.Header.Length > 0;
        foreach (string line in lines)
        {
            if (isHeader)
            {
                screen.WriteHeader(line);
                isHeader = false;
            }
            else
            {
                screen.Output.WriteLine(line);
            }
        }
    }

    private void WriteUnsorted(List<TRow> rows)
    {
        foreach (string[] line in rows.SelectMany(text.Lines))
        {
            screen.Output.WriteLine(line[0]);
        }
    }
}
