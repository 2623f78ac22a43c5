using System.Globalization;
using ClusterMesh.Datapath.State;

namespace ClusterMesh.Datapath.Configuration;

/// <summary>
/// Where the parts of a document come from. A part is named by its JSON path (<c>services[3].backends[0].port</c>); for a file the
/// origin knows the line of each, for a request over the control socket the path itself is the place.
/// </summary>
public sealed class DocumentOrigin
{
    private readonly string? _file;
    private readonly Lazy<YamlNode>? _root;

    private DocumentOrigin(string? file, Lazy<YamlNode>? root)
    {
        _file = file;
        _root = root;
    }

    /// <summary>A request over the control socket.</summary>
    public static DocumentOrigin Request { get; } = new(null, null);

    /// <param name="root">Asked for its lines when the first place is: most documents hold no mistake.</param>
    internal static DocumentOrigin OfFile(string file, Lazy<YamlNode> root) => new(file, root);

    /// <summary>"west.yaml:12" for a file, the path itself for a request. A part that is absent lies where its parent begins.</summary>
    public string Locate(string path) => _file is null ? path : string.Create(CultureInfo.InvariantCulture, $"{_file}:{LineOf(path)}");

    /// <summary>The exception that says what is wrong with the part at <paramref name="path"/>, in one sentence with its place.</summary>
    public ConfigurationException Refuse(string path, string problem)
    {
        string sentence = path.Length == 0 ? problem : $"{path}: {problem}";
        return new ConfigurationException(_file is null ? sentence : $"{Locate(path)}: {sentence}");
    }

    /// <summary>As <see cref="Refuse"/>, for a part of a file that the path does not name alone: the second of two equal keys.</summary>
    internal ConfigurationException RefuseLine(int line, string path, string problem) =>
        new(string.Create(CultureInfo.InvariantCulture, $"{_file}:{line}: {path}: {problem}"));

    private int LineOf(string path)
    {
        YamlNode node = _root!.Value;
        int line = node.Line;
        int at = 0;
        while (at < path.Length)
        {
            YamlNode? next;
            if (path[at] == '[')
            {
                int end = path.IndexOf(']', at);
                next = end > 0 && int.TryParse(path.AsSpan(at + 1, end - at - 1), NumberStyles.None, CultureInfo.InvariantCulture, out int index)
                    && node.Resolved is YamlSequence list && index < list.Items.Count ? list.Items[index] : null;
                line = next?.Line ?? line;
                at = end + 1;
            }
            else
            {
                at += path[at] == '.' ? 1 : 0;
                int length = path.AsSpan(at).IndexOfAny('.', '[');
                ReadOnlySpan<char> name = length < 0 ? path.AsSpan(at) : path.AsSpan(at, length);
                next = FieldOf(node, name, ref line);
                at += name.Length;
            }

            if (next is null)
            {
                return line;
            }

            node = next;
        }

        return line;
    }

    // A mapping has a dozen fields at most, so looking along them is cheaper than an index kept for each.
    private static YamlNode? FieldOf(YamlNode node, ReadOnlySpan<char> name, ref int line)
    {
        if (node.Resolved is YamlMapping mapping)
        {
            foreach ((YamlScalar key, YamlNode value) in mapping.Fields)
            {
                if (name.SequenceEqual(key.Value))
                {
                    line = key.Line;
                    return value;
                }
            }
        }

        return null;
    }
}
