using System.Buffers;
using System.Globalization;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using ClusterMesh.Datapath.Control.Documents;
using ClusterMesh.Datapath.State;

namespace ClusterMesh.Datapath.Configuration;

/// <summary>
/// Nodes of YAML -> a document. Walks them beside the shape that the JSON metadata states, writes JSON and lets the serializer make
/// the objects. Walking by the shape is what allows a sentence for each mistake, and what makes 'name: 123' the text that was meant.
/// </summary>
internal sealed class DocumentBinder
{
    /// <summary>What aliases may repeat, in nodes: far above any real file, far below what fills a machine.</summary>
    private const int AliasNodeLimit = 1_000_000;

    private readonly Utf8JsonWriter _writer;
    private readonly JsonSerializerOptions _options;
    private int _aliasDepth;
    private int _aliasNodeCount;

    private DocumentBinder(Utf8JsonWriter writer, JsonTypeInfo document)
    {
        _writer = writer;
        _options = document.Options;
    }

    /// <exception cref="ConfigurationException">The nodes are not of the document's shape.</exception>
    public static T Bind<T>(YamlNode root, JsonTypeInfo<T> shape, DocumentOrigin origin)
    {
        ArrayBufferWriter<byte> json = new();
        using (Utf8JsonWriter writer = new(json))
        {
            new DocumentBinder(writer, shape).Write(root, shape, Place.Root(origin));
        }

        return JsonSerializer.Deserialize(json.WrittenSpan, shape)!;
    }

    private void Write(YamlNode node, JsonTypeInfo shape, Place place)
    {
        if (node is YamlAlias)
        {
            _aliasDepth++;
            Write(node.Resolved, shape, place);
            _aliasDepth--;
            return;
        }

        if (_aliasDepth > 0 && ++_aliasNodeCount > AliasNodeLimit)
        {
            throw place.Refuse("the aliases of this file repeat too much; write the values out");
        }

        switch (shape.Kind)
        {
            case JsonTypeInfoKind.Object:
                WriteObject(node, shape, place);
                break;
            case JsonTypeInfoKind.Dictionary:
                WriteMap(node, place);
                break;
            case JsonTypeInfoKind.Enumerable:
                WriteList(node, shape, place);
                break;
            default:
                WriteScalar(node, shape.Type, place);
                break;
        }
    }

    private void WriteObject(YamlNode node, JsonTypeInfo shape, Place place)
    {
        if (node is not YamlMapping mapping)
        {
            throw place.Refuse($"expected fields such as '{shape.Properties[0].Name}: ...', found {Found(node)}");
        }

        HashSet<string> seen = new(shape.Properties.Count);
        _writer.WriteStartObject();
        foreach ((YamlScalar key, YamlNode value) in mapping.Fields)
        {
            Place field = place.Field(key.Value);
            JsonPropertyInfo property = shape.Properties.FirstOrDefault(p => p.Name == key.Value) ?? throw Unknown(key, shape, place);
            if (!seen.Add(property.Name))
            {
                throw field.RefuseLine(key.Line, $"the field is given twice, first at {field.Source}; keep one");
            }

            JsonTypeInfo fieldShape = _options.GetTypeInfo(property.PropertyType);
            bool absent = value.Resolved is YamlScalar { IsNull: true } && (property.IsSetNullable || fieldShape.Kind == JsonTypeInfoKind.Object);
            if (!absent)
            {
                _writer.WritePropertyName(property.Name);
                Write(value, fieldShape, field);
            }
        }

        _writer.WriteEndObject();
    }

    /// <summary>Texts by names that are the person's own.</summary>
    private void WriteMap(YamlNode node, Place place)
    {
        if (node is not YamlMapping mapping)
        {
            throw place.Refuse($"expected names with values such as 'name: value', found {Found(node)}");
        }

        HashSet<string> seen = [];
        _writer.WriteStartObject();
        foreach ((YamlScalar key, YamlNode value) in mapping.Fields)
        {
            Place field = place.Field(IsClean(key.Value) ? key.Value : ValueText.Quote(key.Value));
            if (!IsClean(key.Value) || !seen.Add(key.Value))
            {
                throw field.RefuseLine(key.Line, IsClean(key.Value) ? "the name is given twice; keep one" : "the name holds control or broken characters; remove them");
            }

            _writer.WritePropertyName(key.Value);
            Write(value, _options.GetTypeInfo(typeof(string)), field);
        }

        _writer.WriteEndObject();
    }

    private void WriteList(YamlNode node, JsonTypeInfo shape, Place place)
    {
        if (node is not YamlSequence list)
        {
            string advice = node is YamlScalar { IsNull: true } ? "write [] for an empty one" : "begin each item with '- '";
            throw place.Refuse($"expected a list, found {Found(node)}; {advice}");
        }

        JsonTypeInfo element = _options.GetTypeInfo(shape.ElementType!);
        _writer.WriteStartArray();
        for (int i = 0; i < list.Items.Count; i++)
        {
            Write(list.Items[i], element, place.Item(i));
        }

        _writer.WriteEndArray();
    }

    private void WriteScalar(YamlNode node, Type type, Place place)
    {
        YamlScalar? scalar = node as YamlScalar;
        if (type == typeof(int) || type == typeof(int?))
        {
            WriteNumber(scalar, node, place);
        }
        else if (type == typeof(bool) || type == typeof(bool?))
        {
            bool value = scalar is { IsPlain: true, Value: "true" or "True" or "TRUE" };
            if (!value && scalar is not { IsPlain: true, Value: "false" or "False" or "FALSE" })
            {
                throw place.Refuse($"expected true or false, found {Found(node)}{QuoteAdvice(scalar)}");
            }

            _writer.WriteBooleanValue(value);
        }
        else
        {
            if (scalar is null || scalar.IsNull)
            {
                throw place.Refuse($"expected text, found {Found(node)}");
            }

            if (!IsClean(scalar.Value))
            {
                throw place.Refuse("the text holds control or broken characters; remove them");
            }

            _writer.WriteStringValue(scalar.Value);
        }
    }

    private void WriteNumber(YamlScalar? scalar, YamlNode node, Place place)
    {
        if (scalar is not { IsPlain: true } || !long.TryParse(scalar.Value, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out long value))
        {
            throw place.Refuse($"expected a number, found {Found(node)}{QuoteAdvice(scalar)}");
        }

        if (value is < int.MinValue or > int.MaxValue)
        {
            throw place.Refuse($"{value} is out of range");
        }

        _writer.WriteNumberValue(value);
    }

    private static ConfigurationException Unknown(YamlScalar key, JsonTypeInfo shape, Place parent)
    {
        string name = key.Value;
        string shown = ValueText.Quote(name);
        Place place = parent.Field(shown[1..^1]);
        if (shape.Type == typeof(ChangeDocument)
            && DocumentJsonContext.Default.NodeDocument.Properties.Any(p => p.Name == name))
        {
            return place.RefuseLine(key.Line, $"{shown} is fixed while the forwarder runs and cannot be in a change; set it in the node file and restart");
        }

        string[] known = [.. shape.Properties.Select(p => p.Name)];
        return place.RefuseLine(key.Line, NearestName.Of(name, known) is string nearest
            ? $"unknown field {shown}; did you mean '{nearest}'?"
            : $"unknown field {shown}; known are {string.Join(", ", known)}");
    }

    private static string Found(YamlNode node) => node switch
    {
        YamlMapping => "fields",
        YamlSequence => "a list",
        YamlScalar { IsNull: true } => "nothing",
        YamlScalar scalar => ValueText.Quote(scalar.Value),
        _ => "an alias",
    };

    private static string QuoteAdvice(YamlScalar? scalar) => scalar is { IsPlain: false } ? " as text; remove the quotes" : "";

    private static bool IsClean(string text)
    {
        for (int i = 0; i < text.Length; i++)
        {
            bool isPair = char.IsSurrogate(text[i]) && i + 1 < text.Length && char.IsSurrogatePair(text[i], text[i + 1]);
            if (char.IsControl(text[i]) || (char.IsSurrogate(text[i]) && !isPair))
            {
                return false;
            }

            i += isPair ? 1 : 0;
        }

        return true;
    }
}
