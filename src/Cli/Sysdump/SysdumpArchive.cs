using System.Formats.Tar;
using System.Globalization;
using System.IO.Compression;
using System.Text;

namespace ClusterMesh.Datapath.Cli.Sysdump;

/// <summary>The archive: every text goes through <see cref="Redaction"/>, and what could not be had is listed in it.</summary>
internal sealed class SysdumpArchive : IDisposable
{
    private readonly Stream _file;
    private readonly GZipStream _gzip;
    private readonly TarWriter _tar;
    private readonly string _root;
    private readonly DateTimeOffset _time;
    private readonly List<string> _contents = [];
    private readonly List<string> _missing = [];
    private int _secretCount;

    /// <param name="root">The directory in which all is.</param>
    public SysdumpArchive(Stream file, string root, DateTimeOffset time)
    {
        _file = file;
        _root = root;
        _time = time;
        _gzip = new GZipStream(file, CompressionLevel.Optimal, leaveOpen: true);
        _tar = new TarWriter(_gzip, TarEntryFormat.Pax, leaveOpen: true);
    }

    /// <summary>What could not be had, in sentences.</summary>
    public IReadOnlyList<string> Missing => _missing;

    public int FileCount => _contents.Count;

    public void Add(string path, string text)
    {
        byte[] bytes = Encoding.UTF8.GetBytes(Redaction.Of(text, out int count));
        _secretCount += count;
        _contents.Add(string.Create(CultureInfo.InvariantCulture, $"{path} ({bytes.Length} bytes{(count == 0 ? "" : $", {count} secrets removed")})"));
        Write(path, bytes);
    }

    /// <summary>Something is not in the archive.</summary>
    public void Miss(string path, string why)
    {
        string sentence = Redaction.Of(why.Trim(), out _);
        _missing.Add($"{path}: {sentence}");
    }

    /// <summary>Ends it with the list of what is in it and what is not.</summary>
    public void Dispose()
    {
        var summary = new StringBuilder();
        summary.AppendLine(CultureInfo.InvariantCulture, $"made {_time:yyyy-MM-dd HH:mm:ss zzz} by cmesh {VersionAction.Version}");
        summary.AppendLine(CultureInfo.InvariantCulture, $"{_contents.Count} files, {_missing.Count} could not be had, {_secretCount} secrets were removed");
        summary.AppendLine().AppendLine("Could not be had:").AppendJoin('\n', _missing.DefaultIfEmpty("nothing")).AppendLine();
        summary.AppendLine().AppendLine("Files:").AppendJoin('\n', _contents).AppendLine();
        Write("summary.txt", Encoding.UTF8.GetBytes(summary.ToString()));
        _tar.Dispose();
        _gzip.Dispose();
        _file.Dispose();
    }

    private void Write(string path, byte[] bytes)
    {
        var entry = new PaxTarEntry(TarEntryType.RegularFile, $"{_root}/{path}") { ModificationTime = _time, Mode = UnixFileMode.UserRead | UnixFileMode.UserWrite, DataStream = new MemoryStream(bytes) };
        _tar.WriteEntry(entry);
    }
}
