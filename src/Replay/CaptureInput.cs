namespace ClusterMesh.Datapath.Replay;

/// <summary>A capture and the port that its frames enter by.</summary>
public sealed record CaptureInput(string Port, string Path)
{
    /// <param name="text">PORT=FILE, or FILE alone when its name says the port, as those that a replay writes do.</param>
    /// <param name="ports">The node's ports.</param>
    /// <exception cref="ReplayException">The node has no such port.</exception>
    public static CaptureInput Parse(string text, IReadOnlyList<string> ports)
    {
        int split = text.IndexOf('=', StringComparison.Ordinal);
        string path = text[(split + 1)..];
        string port = split >= 0 ? text[..split] : PortNames.OfFile(path);
        if (ports.Contains(port))
        {
            return new CaptureInput(port, path);
        }

        string known = PortNames.Listed(ports);
        throw new ReplayException(split >= 0
            ? $"{text}: there is no port \"{port}\" on this node; it has {known}"
            : $"{text}: the file's name does not say by which port its frames enter; write PORT={text}, where PORT is one of {known}");
    }

    /// <summary>Reads all captures and puts their frames into one order: by time; at equal times the capture named first comes first.</summary>
    /// <exception cref="ReplayException">One of them cannot be read.</exception>
    public static IReadOnlyList<ReplayFrame> Merge(IReadOnlyList<CaptureInput> inputs)
    {
        List<ReplayFrame>[] files = [.. inputs.Select(i => CaptureFile.Read(i.Path, i.Port))];
        int[] positions = new int[files.Length];
        var merged = new List<ReplayFrame>(files.Sum(f => f.Count));
        while (merged.Count < merged.Capacity)
        {
            int first = -1;
            for (int i = 0; i < files.Length; i++)
            {
                if (positions[i] < files[i].Count && (first < 0 || files[i][positions[i]].Time < files[first][positions[first]].Time))
                {
                    first = i;
                }
            }

            merged.Add(files[first][positions[first]++]);
        }

        return merged;
    }
}
