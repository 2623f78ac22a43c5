using ClusterMesh.Datapath.Io;
using ClusterMesh.Datapath.Pipeline;
using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.Forwarder;

/// <summary>
/// The neighbours' MAC addresses, written beside the flow tables within a second of a change. Behind a kill more frames wait in the TAPs than may wait for
/// one neighbour: if it had to be asked for first they would be lost, and TCP would be silent for twice the time that it has already waited.
/// </summary>
internal sealed class KeptNeighbors : IDisposable
{
    private static readonly TimeSpan s_look = TimeSpan.FromSeconds(1);

    private readonly string _path;
    private readonly ManualResetEvent _ended = new(false);
    private readonly Lock _writing = new(); // none behind the end
    private bool _isEnded;

    /// <param name="path">May be there from a process before this one.</param>
    public KeptNeighbors(string path) => _path = path;

    /// <summary>What the process before this one knew. Each is asked whether it is still there as soon as it is sent to.</summary>
    public IReadOnlyList<NeighborNews> Read()
    {
        try
        {
            return File.Exists(_path) ? Parse(File.ReadAllLines(_path), areConfirmed: false) : [];
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or FormatException)
        {
            Log.Write($"{_path}: {e.Message}; neighbours are asked for anew");
            return [];
        }
    }

    /// <summary>Writes what the worker knows now, and from now on what has changed.</summary>
    public void Follow(Worker worker)
    {
        ulong written = Write(worker);
        new Thread(() => WriteChanges(worker, written)) { IsBackground = true, Name = "kept neighbours" }.Start();
    }

    /// <summary>The node ends for good.</summary>
    public void Delete()
    {
        Dispose();
        File.Delete(_path);
    }

    /// <summary>Nothing is written any more when it returns.</summary>
    public void Dispose()
    {
        lock (_writing)
        {
            _isEnded = true;
        }

        _ended.Set();
    }

    /// <summary>Address and MAC, a line for each that can be sent to. Of a table that nobody changes meanwhile.</summary>
    public static IEnumerable<string> Describe(NeighborTable table)
    {
        for (int i = 0; i < table.Count; i++)
        {
            if (table[i].IsUsable)
            {
                yield return Line(table[i]);
            }
        }
    }

    /// <param name="areConfirmed">They answered whoever says so lately.</param>
    /// <exception cref="FormatException">One is no address and MAC.</exception>
    public static IReadOnlyList<NeighborNews> Parse(IEnumerable<string> lines, bool areConfirmed) =>
        [.. lines.Select(l => l.Split(' ') is [string address, string mac]
            ? new NeighborNews(IpAddress.Parse(address), MacAddress.Parse(mac), areConfirmed, Create: true)
            : throw new FormatException($"'{l}' is no address and MAC"))];

    private static string Line(in NeighborEntry entry) => $"{entry.Address} {entry.Mac}";

    private void WriteChanges(Worker worker, ulong written)
    {
        try
        {
            while (!_ended.WaitOne(s_look))
            {
                if (worker.Live.Neighbors.ChangeCount != written)
                {
                    written = Write(worker);
                }
            }
        }
        catch (ObjectDisposedException)
        {
            // The worker has stopped: nothing changes any more.
        }
    }

    /// <returns>The table's count of changes that the file has.</returns>
    private ulong Write(Worker worker)
    {
        NeighborTable table = worker.Live.Neighbors;
        var entries = new NeighborEntry[table.Capacity]; // Taken here: the worker allocates nothing.
        int count = 0;
        ulong changes = 0;
        worker.Invoke(() =>
        {
            changes = table.ChangeCount;
            for (; count < table.Count; count++)
            {
                entries[count] = table[count];
            }
        });
        try
        {
            lock (_writing)
            {
                if (!_isEnded)
                {
                    string unfinished = _path + ".new";
                    File.WriteAllLines(unfinished, entries.Take(count).Where(e => e.IsUsable).Select(e => Line(e)));
                    File.Move(unfinished, _path, overwrite: true);
                }
            }
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            Log.Write($"{_path}: {e.Message}; neighbours are asked for anew when this process is killed");
        }

        return changes;
    }
}
