using System.Text.Json;
using ClusterMesh.Datapath.Control;
using ClusterMesh.Datapath.Control.Documents;

namespace ClusterMesh.Datapath.Cli;

/// <summary>Reads a change that a person wrote. The one place that knows in what language: JSON so far.</summary>
internal static class ChangeReader
{
    /// <param name="path">A file, or - for standard input.</param>
    public static ChangeDocument Read(string path, TextReader input)
    {
        string name = path == "-" ? "standard input" : path;
        try
        {
            string text = path == "-" ? input.ReadToEnd() : File.ReadAllText(path);
            return JsonSerializer.Deserialize(text, ControlJson.Default.ChangeDocument) ?? throw new JsonException("null is no change");
        }
        catch (JsonException fault)
        {
            string line = fault.LineNumber is long number ? $"{name}:{number + 1}" : name;
            throw new ControlException(ErrorCode.InvalidConfiguration, $"{line}: {JsonFault.Describe(fault)}");
        }
        catch (Exception fault) when (fault is IOException or UnauthorizedAccessException)
        {
            throw new ControlException(ErrorCode.NotFound, $"{name}: cannot be read ({fault.Message})");
        }
    }
}
