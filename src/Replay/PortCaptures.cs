using ClusterMesh.Datapath.Pipeline;
using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.Replay;

/// <summary>A directory with one capture for each port by which frames left. Files that are there already are not touched unless told so.</summary>
public sealed class PortCaptures : IDisposable
{
    private readonly string _directory;
    private readonly Dictionary<string, CaptureWriter> _writers = [];

    /// <param name="directory">Made when it is not there.</param>
    /// <param name="ports">The node's ports: files of their names are in the way.</param>
    /// <param name="inputs">What the replay reads, which is never replaced.</param>
    /// <param name="replace">Remove files that are in the way.</param>
    /// <exception cref="ReplayException">The directory cannot be had, or files are in the way.</exception>
    public PortCaptures(string directory, IReadOnlyList<string> ports, IReadOnlyList<CaptureInput> inputs, bool replace)
    {
        _directory = directory;
        Guard(() =>
        {
            Directory.CreateDirectory(directory);
            string[] present = [.. ports.Select(PathOf).Where(File.Exists)];
            if (present.FirstOrDefault(p => inputs.Any(i => Path.GetFullPath(i.Path) == Path.GetFullPath(p))) is { } input)
            {
                throw new ReplayException($"{input}: the replay reads this capture and would write it; choose another directory for --out");
            }

            if (present.Length > 0 && !replace)
            {
                throw new ReplayException($"{present[0]}: this file is there already; choose another directory or give --force to replace the captures in it");
            }

            Array.ForEach(present, File.Delete);
        });
    }

    /// <summary>Writes the frame that left, if one did.</summary>
    /// <exception cref="ReplayException">The file cannot be written.</exception>
    public void Add(ReplayRecord record)
    {
        if (record.Out is null || record.Sent.IsEmpty)
        {
            return;
        }

        Guard(() =>
        {
            if (!_writers.TryGetValue(record.Out, out CaptureWriter? writer))
            {
                writer = new CaptureWriter(PathOf(record.Out));
                _writers.Add(record.Out, writer);
            }

            foreach (byte[] frame in FramesOf(record))
            {
                writer.Write(record.Time, frame);
            }
        });
    }

    /// <summary>Writes what is still to be written.</summary>
    /// <exception cref="ReplayException">The disk is full.</exception>
    public void Dispose()
    {
        foreach (CaptureWriter writer in _writers.Values)
        {
            Guard(writer.Dispose);
        }

        _writers.Clear();
    }

    /// <summary>What the wire carries of it.</summary>
    private static List<byte[]> FramesOf(ReplayRecord record)
    {
        byte[] packet = [.. new byte[VirtioNetHeader.Length], .. record.Sent.Span];
        record.Offload.WriteTo(packet);
        byte[] scratch = new byte[packet.Length];
        byte[] piece = new byte[packet.Length];
        List<byte[]> frames = [];
        var cutter = new FrameCutter(packet, TapOffloads.All, scratch);
        while (cutter.TryNext(piece, out int length))
        {
            frames.Add(piece[VirtioNetHeader.Length..length]);
        }

        return frames;
    }

    private string PathOf(string port) => Path.Combine(_directory, PortNames.FileOf(port));

    private void Guard(Action action)
    {
        try
        {
            action();
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new ReplayException($"{_directory}: the captures cannot be written: {e.Message.TrimEnd('.')}", e);
        }
    }
}
