using System.Globalization;
using ClusterMesh.Datapath.State;
using YamlDotNet.Core;
using YamlDotNet.Core.Events;

namespace ClusterMesh.Datapath.Configuration;

/// <summary>
/// YAML text -> nodes with lines, by the parser's events alone: the object mapping of the library needs reflection.
/// JSON is read by the same way, being YAML.
/// </summary>
internal sealed class YamlLoader
{
    /// <summary>Our documents nest six deep; the bound keeps hostile text from exhausting the stack.</summary>
    private const int DepthLimit = 32;

    private readonly string _file;
    private readonly Parser _parser;
    private readonly Dictionary<string, YamlNode?> _anchors = [];

    private YamlLoader(string file, Parser parser)
    {
        _file = file;
        _parser = parser;
    }

    /// <exception cref="ConfigurationException">The text is no YAML, holds no document or several, or nests too deep.</exception>
    public static YamlNode Load(string file, string text) => Load(file, text, loader => loader.ReadDocument());

    /// <summary>As <see cref="Load(string, string)"/>, for a file of several documents, as manifests are.</summary>
    public static IReadOnlyList<YamlNode> LoadAll(string file, string text) => Load(file, text, loader => loader.ReadDocuments());

    private static T Load<T>(string file, string text, Func<YamlLoader, T> read)
    {
        using StringReader reader = new(text);
        Scanner scanner = new(reader, skipComments: true);
        try
        {
            return read(new YamlLoader(file, new Parser(scanner)));
        }
        catch (YamlException e)
        {
            throw SyntaxError(file, text, (int)e.Start.Line, e.Message);
        }
        catch (InvalidOperationException)
        {
            // The library's answer, without a position, to a flow collection that a block one interrupts.
            throw SyntaxError(file, text, (int)scanner.CurrentPosition.Line, "a bracket or brace is not closed");
        }
        catch (ArgumentException)
        {
            // And to \U with more than Unicode holds.
            throw SyntaxError(file, text, (int)scanner.CurrentPosition.Line, "an escape after '\\' names no character");
        }
    }

    private YamlNode ReadDocument()
    {
        Next();
        if (Next() is StreamEnd)
        {
            throw new ConfigurationException($"{_file}: the file is empty; it must hold one YAML document");
        }

        YamlNode root = ReadNode(Next(), 0);
        Next();
        return Next() is DocumentStart second
            ? throw Refuse(second.Start, "a second document begins here; keep one document in a file")
            : root;
    }

    private List<YamlNode> ReadDocuments()
    {
        List<YamlNode> documents = [];
        Next();
        while (Next() is not StreamEnd)
        {
            _anchors.Clear();
            documents.Add(ReadNode(Next(), 0));
            Next();
        }

        return documents;
    }

    private YamlNode ReadNode(ParsingEvent start, int depth)
    {
        int line = (int)start.Start.Line;
        if (depth > DepthLimit)
        {
            throw Refuse(start.Start, "lists and mappings are nested too deep here; no field needs that");
        }

        if (start is AnchorAlias alias)
        {
            return new YamlAlias(line, _anchors.GetValueOrDefault(alias.Value.Value)
                ?? throw Refuse(start.Start, $"alias '*{alias.Value}' stands for nothing that was finished before it; define '&{alias.Value}' first"));
        }

        // The library ends a collection in the middle of a field when the name before ':' is missing.
        if (start is not NodeEvent node)
        {
            throw Refuse(start.Start, "the text around here is out of order; look for a ':' without a name before it, and check the indentation");
        }

        if (!node.Tag.IsEmpty && !node.Tag.IsNonSpecific)
        {
            throw Refuse(start.Start, $"tag '{node.Tag.Value.Replace("tag:yaml.org,2002:", "!!", StringComparison.Ordinal)}' is not understood; remove it");
        }

        string? anchor = node.Anchor.IsEmpty ? null : node.Anchor.Value;
        if (anchor is not null)
        {
            _anchors[anchor] = null;
        }

        YamlNode read = node switch
        {
            Scalar scalar => new YamlScalar(line, scalar.Value, scalar.Style == ScalarStyle.Plain),
            SequenceStart => ReadSequence(line, depth),
            _ => ReadMapping(line, depth),
        };
        if (anchor is not null)
        {
            _anchors[anchor] = read;
        }

        return read;
    }

    private YamlSequence ReadSequence(int line, int depth)
    {
        YamlSequence list = new(line);
        for (ParsingEvent next = Next(); next is not SequenceEnd; next = Next())
        {
            list.Items.Add(ReadNode(next, depth + 1));
        }

        return list;
    }

    private YamlMapping ReadMapping(int line, int depth)
    {
        YamlMapping mapping = new(line);
        for (ParsingEvent next = Next(); next is not MappingEnd; next = Next())
        {
            if (ReadNode(next, depth + 1).Resolved is not YamlScalar key)
            {
                throw Refuse(next.Start, "a list or mapping stands where a field name must be");
            }

            if (key is { Value: "<<", IsPlain: true })
            {
                throw Refuse(next.Start, "merge keys ('<<') are not understood; write the fields out");
            }

            mapping.Fields.Add(new(key, ReadNode(Next(), depth + 1)));
        }

        return mapping;
    }

    private ParsingEvent Next() => _parser.MoveNext() && _parser.Current is ParsingEvent current
        ? current
        : throw new InvalidOperationException("the parser ended before its last event");

    private ConfigurationException Refuse(Mark at, string problem) => At(_file, (int)at.Line, problem);

    private static ConfigurationException SyntaxError(string file, string text, int line, string reason)
    {
        // The library blames the line before a tab, and seldom says tab.
        int tabbed = TabIndentedLine(text, line);
        if (tabbed > 0)
        {
            return At(file, tabbed, "the line is indented with a tab; use spaces");
        }

        string lower = reason.Length == 0 ? "" : char.ToLowerInvariant(reason[0]) + reason[1..].TrimEnd('.');
        return At(file, Math.Max(line, 1), $"this is not valid YAML: {lower}; check indentation, colons, quotes and brackets here and just above");
    }

    /// <summary>The given line or the next, when its indentation holds a tab; otherwise 0.</summary>
    private static int TabIndentedLine(string text, int line)
    {
        using StringReader reader = new(text);
        for (int number = 1; number <= line + 1 && reader.ReadLine() is string content; number++)
        {
            ReadOnlySpan<char> indentation = content.AsSpan(0, content.Length - content.AsSpan().TrimStart().Length);
            if (number >= line && indentation.Contains('\t'))
            {
                return number;
            }
        }

        return 0;
    }

    private static ConfigurationException At(string file, int line, string problem) =>
        new(string.Create(CultureInfo.InvariantCulture, $"{file}:{line}: {ValueText.Sentence(problem)}"));
}
