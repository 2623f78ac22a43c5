using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace ClusterMesh.Datapath.Fuzz.Mutation;

/// <summary>
/// Makes malformed records of good ones: values of other shapes, missing, repeated and unknown fields, and then, some, bytes that are no JSON any more. The same
/// seed gives the same records.
/// </summary>
internal sealed class RecordMutator(Random random)
{
    /// <summary>Stands for half of a surrogate pair, which the library's nodes do not hold.</summary>
    private const string HalfPair = "half-a-pair";

    private static readonly string[] s_values =
    [
        "null", "true", "-1", "0", "1.5", "65536", "4294967296", "1e400", "\"\"", "[]", "{}", "[null]", "{\"\":null}", "[[[[[[]]]]]]", $"\"{HalfPair}\"", "\"\\u0000\"", "\"10.0.0.300\"", "\"10.0.0.1\"",
        "\"fe80::1%eth0\"", "\"::ffff:10.0.0.1\"", "\"////AA==\"", "\"!!\"", "\"a/b\"", "\"west\"", "\"k8s:a=b;\"", "\"\u2028\"", "{\"a\":{\"b\":{\"c\":{\"d\":[1,2,{\"e\":null}]}}}}", "\"TCP\"", "\"-\"",
    ];

    private readonly TextMutator _bytes = new(random);

    /// <param name="input">Of the records' target: a kind, a key, a line feed, a value.</param>
    public byte[] Next(byte[] input)
    {
        int at = Array.IndexOf(input, (byte)'\n');
        if (at < 0 || random.Next(4) == 0)
        {
            return _bytes.NextBytes(input);
        }

        byte[] head = random.Next(6) == 0 ? [input[0], .. _bytes.NextBytes(input[1..at])] : input[..at];
        byte[] value = input[(at + 1)..];
        try
        {
            JsonNode? root = JsonNode.Parse(value);
            for (int count = random.Next(1, 4); count > 0 && root is not null; count--)
            {
                Hurt(root);
            }

            value = Encoding.UTF8.GetBytes((root?.ToJsonString() ?? "null").Replace(HalfPair, "\\ud800", StringComparison.Ordinal));
        }
        catch (JsonException)
        {
            value = _bytes.NextBytes(value); // Labels are no JSON.
        }

        value = random.Next(5) == 0 ? _bytes.NextBytes(value) : value;
        return [.. head, (byte)'\n', .. value];
    }

    private void Hurt(JsonNode node)
    {
        // Down by chance; where it ends something changes.
        while (random.Next(3) != 0 && Children(node).ToArray() is { Length: > 0 } children)
        {
            node = children[random.Next(children.Length)];
        }

        JsonNode? changed = JsonNode.Parse(s_values[random.Next(s_values.Length)]);
        switch (node)
        {
            case JsonObject { Count: > 0 } fields:
                string[] names = [.. fields.Select(f => f.Key)];
                string name = names[random.Next(names.Length)];
                switch (random.Next(5))
                {
                    case 0:
                        fields.Remove(name);
                        break;
                    case 1:
                        fields[name.ToUpperInvariant()] = changed;
                        break;
                    case 2:
                        fields[$"{name}x"] = fields[name]?.DeepClone();
                        break;
                    default:
                        fields[name] = changed;
                        break;
                }

                break;
            case JsonArray { Count: > 0 } items when random.Next(2) == 0:
                items.Add(items[random.Next(items.Count)]?.DeepClone());
                break;
            case JsonArray items:
                items.Add(changed);
                break;
            default:
                if (node.Parent is JsonObject parent)
                {
                    parent[node.GetPropertyName()] = changed;
                }

                break;
        }
    }

    private static IEnumerable<JsonNode> Children(JsonNode node) => (node switch
    {
        JsonObject fields => fields.Select(f => f.Value),
        JsonArray items => items,
        _ => [],
    }).OfType<JsonNode>();
}
