using System.Text.Json;

namespace ClusterMesh.Datapath.Control;

/// <summary>Turns what the JSON library complains about into a sentence for the person who wrote the request or the document.</summary>
public static class JsonFault
{
    /// <summary>"config.endpoints[0].foo: unknown field".</summary>
    public static string Describe(JsonException fault)
    {
        string message = fault.Message;
        string what;
        if (message.Contains("could not be mapped to any .NET member", StringComparison.Ordinal))
        {
            what = "unknown field";
        }
        else if (message.StartsWith("Duplicate property", StringComparison.Ordinal))
        {
            what = "given twice";
        }
        else if (message.Contains("missing required properties", StringComparison.Ordinal))
        {
            int colon = message.IndexOf("including: ", StringComparison.Ordinal);
            what = "missing " + (colon < 0 ? "field" : message[(colon + 11)..].TrimEnd('.').Replace('\'', '"'));
        }
        else if (message.Contains("doesn't allow", StringComparison.Ordinal) && message.Contains("null", StringComparison.Ordinal))
        {
            what = "null is not allowed";
        }
        else if (message.Contains("could not be converted", StringComparison.Ordinal))
        {
            what = "a value of the wrong shape";
        }
        else
        {
            what = message.Split((string[])[" Path: ", " LineNumber: "], 2, StringSplitOptions.None)[0].TrimEnd('.');
        }

        string where = fault.Path is null or "$" ? "" : fault.Path.StartsWith("$.", StringComparison.Ordinal) ? fault.Path[2..] : fault.Path;
        return where.Length == 0 ? what : $"{where}: {what}";
    }

    /// <summary>Where a line stops being JSON, in our words: the library's speak of its reader, and of lines where there is only one.</summary>
    internal static string DescribeLine(JsonException fault) => fault.Message.Contains("maximum configured depth", StringComparison.Ordinal)
        ? $"it is nested deeper than {ControlJson.MaxDepth} levels"
        : $"it goes wrong at byte {(fault.BytePositionInLine ?? 0) + 1}; send one JSON object a line";
}
