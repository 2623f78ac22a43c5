using System.Text;
using System.Text.Json;
using ClusterMesh.Datapath.Control.Documents;

namespace ClusterMesh.Datapath.Configuration;

/// <summary>A document -> YAML for people, in the order and under the names of the node file. Reading it gives the document again.</summary>
public static class YamlText
{
    private const int IndentLength = 2;

    public static string Write(NodeDocument document)
    {
        ArgumentNullException.ThrowIfNull(document);
        JsonElement root = JsonSerializer.SerializeToElement(document, DocumentJsonContext.Default.NodeDocument);
        StringBuilder text = new();
        WriteFields(text, root, 0, isFirstInline: false);
        return text.ToString();
    }

    private static void WriteFields(StringBuilder text, JsonElement fields, int indent, bool isFirstInline)
    {
        foreach (JsonProperty field in fields.EnumerateObject())
        {
            text.Append(' ', isFirstInline ? 0 : indent).Append(field.Name).Append(':');
            isFirstInline = false;
            if (IsBlock(field.Value))
            {
                text.Append('\n');
                WriteBlock(text, field.Value, indent + IndentLength);
            }
            else
            {
                text.Append(' ');
                WriteInline(text, field.Value);
            }
        }
    }

    private static void WriteBlock(StringBuilder text, JsonElement value, int indent)
    {
        if (value.ValueKind == JsonValueKind.Object)
        {
            WriteFields(text, value, indent, isFirstInline: false);
            return;
        }

        foreach (JsonElement item in value.EnumerateArray())
        {
            text.Append(' ', indent).Append("- ");
            if (IsBlock(item))
            {
                WriteFields(text, item, indent + IndentLength, isFirstInline: true);
            }
            else
            {
                WriteInline(text, item);
            }
        }
    }

    private static void WriteInline(StringBuilder text, JsonElement value)
    {
        text.Append(value.ValueKind switch
        {
            JsonValueKind.Object => "{}",
            JsonValueKind.Array => "[]",
            JsonValueKind.String when IsPlain(value.GetString()!) => value.GetString(),
            _ => value.GetRawText(),
        });
        text.Append('\n');
    }

    private static bool IsBlock(JsonElement value) => value.ValueKind switch
    {
        JsonValueKind.Object => value.EnumerateObject().Any(),
        JsonValueKind.Array => value.GetArrayLength() > 0,
        _ => false,
    };

    /// <summary>
    /// True for text that no reader of YAML, of 1.1 neither, takes for a number, a time, a switch or nothing. All other text is written
    /// as JSON writes it, which is YAML too.
    /// </summary>
    private static bool IsPlain(string value)
    {
        bool isSafe = value.Length > 0 && (char.IsAsciiLetterOrDigit(value[0]) || value[0] == '/') && value[^1] != ':'
            && value.All(c => char.IsAsciiLetterOrDigit(c) || c is '.' or '/' or ':' or '_' or '-');
        bool isSwitch = value.ToUpperInvariant() is "NULL" or "TRUE" or "FALSE" or "YES" or "NO" or "ON" or "OFF" or "Y" or "N";

        // Addresses have two points or more and CIDRs a slash: neither is a number to anyone.
        bool isNumber = char.IsAsciiDigit(value.FirstOrDefault()) && !value.Contains('/', StringComparison.Ordinal)
            && value.Count(c => c == '.') < 2 && !value.Contains("::", StringComparison.Ordinal)
            && (value.All(c => char.IsAsciiHexDigit(c) || c is '.' or ':' or '_' or '-' or 'x' or 'o'));
        return isSafe && !isSwitch && !isNumber;
    }
}
