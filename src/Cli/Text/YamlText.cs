using System.Text.Json;

namespace ClusterMesh.Datapath.Cli.Text;

/// <summary>Writes a JSON document as YAML blocks. Text that YAML could take for something else is quoted, as JSON quotes it.</summary>
internal static class YamlText
{
    public static void Write(TextWriter output, JsonElement value) => WriteChildren(output, value, 0);

    private static void WriteChildren(TextWriter output, JsonElement value, int indent)
    {
        bool afterDash = false;
        if (value.ValueKind == JsonValueKind.Array)
        {
            foreach (JsonElement item in value.EnumerateArray())
            {
                Indent(output, indent);
                output.Write("-");
                WriteItem(output, item, indent);
            }

            return;
        }

        foreach (JsonProperty property in value.EnumerateObject())
        {
            WriteProperty(output, property, indent, ref afterDash);
        }
    }

    private static void WriteItem(TextWriter output, JsonElement item, int indent)
    {
        if (item.ValueKind != JsonValueKind.Object || IsEmpty(item))
        {
            WriteScalar(output, item);
            return;
        }

        // The first field stands on the dash's line.
        bool afterDash = true;
        foreach (JsonProperty property in item.EnumerateObject())
        {
            WriteProperty(output, property, indent + 2, ref afterDash);
        }
    }

    private static void WriteProperty(TextWriter output, JsonProperty property, int indent, ref bool afterDash)
    {
        if (afterDash)
        {
            output.Write(' ');
        }
        else
        {
            Indent(output, indent);
        }

        afterDash = false;
        output.Write(property.Name + ":");
        if (property.Value.ValueKind is JsonValueKind.Object or JsonValueKind.Array && !IsEmpty(property.Value))
        {
            output.WriteLine();
            WriteChildren(output, property.Value, indent + (property.Value.ValueKind == JsonValueKind.Array ? 0 : 2));
        }
        else
        {
            WriteScalar(output, property.Value);
        }
    }

    private static void WriteScalar(TextWriter output, JsonElement value) => output.WriteLine(" " + value.ValueKind switch
    {
        JsonValueKind.Object => "{}",
        JsonValueKind.Array => "[]",
        JsonValueKind.String when IsPlain(value.GetString()!) => value.GetString(),
        _ => value.GetRawText(),
    });

    private static bool IsEmpty(JsonElement value) =>
        value.ValueKind == JsonValueKind.Object ? !value.EnumerateObject().MoveNext() : value.GetArrayLength() == 0;

    /// <summary>Letters, digits and a few marks, beginning with a letter or being an address; no word that YAML reads as something else.</summary>
    private static bool IsPlain(string text) =>
        text.Length > 0
        && text.All(c => char.IsAsciiLetterOrDigit(c) || c is '.' or '/' or '-' or '_')
        && (char.IsAsciiLetter(text[0]) || text.Count(c => c == '.') == 3)
        && text.ToLowerInvariant() is not ("true" or "false" or "yes" or "no" or "on" or "off" or "null" or "y" or "n");

    private static void Indent(TextWriter output, int indent) => output.Write(new string(' ', indent));
}
