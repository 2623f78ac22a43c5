using System.Security.Cryptography;
using System.Text.Json;
using System.Text.Json.Serialization;
using ClusterMesh.Datapath.Configuration;
using ClusterMesh.Datapath.Control;
using ClusterMesh.Datapath.State;
using ClusterMesh.Datapath.State.Desired;

namespace ClusterMesh.Datapath.Forwarder;

/// <summary>
/// The configuration in force, written beside the flow tables behind every change: services that were applied while the node ran, with the numbers
/// that flows know them by. A forwarder that is started with the same node file begins with it; another node file counts by itself.
/// </summary>
internal sealed class KeptConfiguration : IDisposable
{
    private readonly string _path;
    private readonly string _nodeFile;
    private readonly AutoResetEvent _changed = new(false);
    private readonly Thread _thread;
    private readonly Lock _writing = new(); // one write at a time, and none behind the end
    private Func<(ServiceNumbers Numbers, string Configuration)>? _describe;
    private volatile bool _isEnded;
    private volatile bool _hasApplied;

    /// <param name="path">May be there from a process before this one.</param>
    public KeptConfiguration(string path, NodeFile file)
    {
        _path = path;
        _nodeFile = Convert.ToHexString(SHA256.HashData(JsonSerializer.SerializeToUtf8Bytes(file.Document, ControlJson.Default.NodeDocument)));
        _thread = new Thread(WriteChanges) { IsBackground = true, Name = "kept configuration" };
    }

    /// <summary>What the process before this one had in force, if it was started with the same node file.</summary>
    /// <param name="numbers">By which flow tables name its frontends and backends.</param>
    /// <param name="hasApplied">Something was applied or deleted since a process was started with its node file.</param>
    public DesiredChange? TryRead(out ServiceNumbers numbers, out bool hasApplied)
    {
        numbers = ServiceNumbers.None;
        hasApplied = false;
        try
        {
            if (!File.Exists(_path))
            {
                return null;
            }

            KeptDocument kept = JsonSerializer.Deserialize(File.ReadAllText(_path), KeptJson.Default.KeptDocument)
                ?? throw new FormatException("it is empty");
            numbers = ServiceNumbers.Parse(kept.Numbers);
            hasApplied = kept.HasApplied;
            if (kept.NodeFile != _nodeFile)
            {
                Log.Write($"{_path}: the node file has changed since; what was applied while the node ran does not count any more");
                return null;
            }

            _hasApplied = hasApplied;
            return NodeFile.Parse(_path, kept.Configuration).Initial;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or JsonException or FormatException or OverflowException or ConfigurationException)
        {
            Log.Write($"{_path}: {e.Message}; the node begins with its node file's configuration");
            numbers = ServiceNumbers.None;
            return null;
        }
    }

    /// <summary>Writes the configuration now, and from now on behind every change.</summary>
    /// <param name="describe">What is in force, and its numbers, at one moment.</param>
    public void Follow(Func<(ServiceNumbers Numbers, string Configuration)> describe)
    {
        _describe = describe;
        Write();
        _thread.Start();
    }

    public void NoteChange()
    {
        _hasApplied = true;
        _changed.Set();
    }

    /// <summary>What is in force is in the file when this returns.</summary>
    public void Write()
    {
        try
        {
            lock (_writing)
            {
                if (_isEnded || _describe is null)
                {
                    return;
                }

                (ServiceNumbers numbers, string configuration) = _describe();
                string unfinished = _path + ".new";
                File.WriteAllBytes(unfinished, JsonSerializer.SerializeToUtf8Bytes(new KeptDocument(_nodeFile, [.. numbers.ToLines()], configuration, _hasApplied), KeptJson.Default.KeptDocument));
                File.Move(unfinished, _path, overwrite: true);
            }
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            Log.Write($"{_path}: {e.Message}; what was applied is lost when this process is killed");
        }
    }

    /// <summary>The node ends for good.</summary>
    public void Delete()
    {
        Dispose();
        lock (_writing)
        {
            File.Delete(_path);
        }
    }

    public void Dispose()
    {
        _isEnded = true;
        _changed.Set();
        if (_thread.IsAlive)
        {
            _thread.Join();
        }
    }

    private void WriteChanges()
    {
        while (_changed.WaitOne() && !_isEnded)
        {
            Write();
        }
    }
}

/// <summary>The file.</summary>
/// <param name="NodeFile">Hash of the node file that the process was started with.</param>
/// <param name="Numbers">See <see cref="ServiceNumbers"/>.</param>
/// <param name="Configuration">A node file.</param>
/// <param name="HasApplied">It is not the node file's alone; unknown counts as such.</param>
internal sealed record KeptDocument(string NodeFile, IReadOnlyList<string> Numbers, string Configuration, bool HasApplied = true);

[JsonSourceGenerationOptions(RespectNullableAnnotations = true, RespectRequiredConstructorParameters = true)]
[JsonSerializable(typeof(KeptDocument))]
internal sealed partial class KeptJson : JsonSerializerContext;
