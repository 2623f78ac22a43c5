using System.Text.RegularExpressions;

namespace ClusterMesh.Datapath.House.Tests;

/// <summary>
/// A C# file as rules read it: split into code, text and comments by the lexical grammar, and into members by this project's layout
/// (every brace of a member on a line of its own, at the member's indentation).
/// </summary>
internal sealed partial class SourceFile
{
    public SourceFile(string path, string text)
    {
        Path = path;
        Text = text;
        char[] code = text.ToCharArray();
        char[] comments = [.. text.Select(c => c == '\n' ? c : ' ')];
        foreach (Match match in Lexemes().Matches(text))
        {
            bool isComment = match.Value.StartsWith("//", StringComparison.Ordinal) || match.Value.StartsWith("/*", StringComparison.Ordinal);
            for (int i = match.Index; i < match.Index + match.Length; i++)
            {
                comments[i] = isComment ? text[i] : comments[i];
                code[i] = text[i] == '\n' ? '\n' : ' ';
            }
        }

        Code = new string(code);
        Comments = new string(comments);
    }

    public string Path { get; }

    public string Text { get; }

    /// <summary>The text with blanks for comments, strings and characters; lines and columns stay.</summary>
    public string Code { get; }

    /// <summary>The text with blanks for everything but comments.</summary>
    public string Comments { get; }

    public string[] Lines => Code.Split('\n');

    public int LineCount => Text.Split('\n').Length - (Text.EndsWith('\n') ? 1 : 0);

    /// <summary>Where in the code a pattern stands: "src/Io/Worker.cs:12" and what was found.</summary>
    public IEnumerable<(string Where, string Found)> Find(string pattern) => FindIn(Code, pattern);

    public IEnumerable<(string Where, string Found)> FindInComments(string pattern) => FindIn(Comments, pattern);

    /// <summary>Methods and constructors with a body in braces, that of a switch expression or of a lambda included.</summary>
    public IReadOnlyList<SourceMember> Members()
    {
        string[] lines = Lines;
        List<SourceMember> members = [];
        for (int i = 0; i < lines.Length; i++)
        {
            Match header = MemberHeader().Match(lines[i]);
            if (!header.Success || TypeWord().IsMatch(lines[i]))
            {
                continue;
            }

            // The body begins with a brace under the header; a header without one ends in a semicolon or the type's next member.
            string indent = header.Groups["indent"].Value;
            int open = Array.FindIndex(lines, i + 1, l => l == indent + "{" || l.TrimEnd().EndsWith(';') || l.Trim().Length == 0);
            if (open < 0 || lines[open] != indent + "{" || lines[i].TrimEnd().EndsWith(';'))
            {
                continue;
            }

            int close = Array.FindIndex(lines, open, l => l.StartsWith(indent + "}", StringComparison.Ordinal) && l[indent.Length..].All(c => c is '}' or ')' or ';'));
            Assert.True(close > open, $"{Path}:{i + 1}: no end of this member was found; lay the file out with dotnet format");
            members.Add(new SourceMember(header.Groups["name"].Value, i + 1, close + 1, header.Groups["type"].Length == 0));
        }

        return members;
    }

    private IEnumerable<(string Where, string Found)> FindIn(string text, string pattern)
    {
        foreach (Match match in Regex.Matches(text, pattern))
        {
            yield return ($"{Path}:{text.AsSpan(0, match.Index).Count('\n') + 1}", match.Value.Trim());
        }
    }

    /// <summary>Comments, raw strings, verbatim strings, strings, characters. An interpolated string goes whole, with the code in its holes.</summary>
    [GeneratedRegex("""
        //[^\n]*|/\*[\s\S]*?\*/|\$*"{3,}[\s\S]*?"{3,}|(?:\$@|@\$|@)"(?:[^"]|"")*"|\$"(?:\\.|\{\{|\}\}|\{(?:[^{}"]|"(?:\\.|[^"\\])*"|\{[^{}]*\})*\}|[^"\\{}\n])*"|"(?:\\.|[^"\\\n])*"|'(?:\\.[^']*|[^'\\])'
        """)]
    private static partial Regex Lexemes();

    /// <summary>A constructor is what has no type in front of its name.</summary>
    [GeneratedRegex(@"^(?<indent> {4,12})(?:(?:public|private|protected|internal|static|override|virtual|abstract|sealed|async|unsafe|partial|readonly) )+(?<type>[^\s=][^=]*? )?(?<name>\w+)(?:<[^>()]*>)?\(")]
    private static partial Regex MemberHeader();

    [GeneratedRegex(@"\b(class|struct|record|enum|interface)\b")]
    private static partial Regex TypeWord();
}
