namespace ClusterMesh.Datapath.Observe.Text;

/// <summary>
/// Columns three spaces apart, wide enough for all rows of a batch and of the batches before it. The last column is as long as its text.
/// </summary>
internal sealed class FlowTable
{
    private const int Gap = 3;

    private readonly TextWriter _output;
    private readonly int[] _widths;
    private readonly List<string[]> _rows;

    public FlowTable(TextWriter output, string[] header)
    {
        _output = output;
        _widths = new int[header.Length];
        _rows = [];
        Header = header;
    }

    private string[]? Header { get; set; }

    public void Add(string[] row)
    {
        if (Header is not null)
        {
            _rows.Add(Header);
            Header = null;
        }

        _rows.Add(row);
    }

    public void Flush()
    {
        foreach (string[] row in _rows)
        {
            for (int i = 0; i < row.Length; i++)
            {
                _widths[i] = Math.Max(_widths[i], row[i].Length);
            }
        }

        foreach (string[] row in _rows)
        {
            for (int i = 0; i < row.Length - 1; i++)
            {
                _output.Write(row[i].PadRight(_widths[i] + Gap));
            }

            _output.Write(row[^1] + "\n");
        }

        _rows.Clear();
    }
}
