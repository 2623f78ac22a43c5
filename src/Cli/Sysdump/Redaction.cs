using System.Text.RegularExpressions;

namespace ClusterMesh.Datapath.Cli.Sysdump;

/// <summary>
/// Takes secrets out of text, whatever it is: private keys, passwords, tokens. By names and by shapes, so that it also finds what was put where no secret
/// belongs (an annotation). What is taken out leaves a note in its place.
/// </summary>
internal static partial class Redaction
{
    public const string Note = "(removed: secret)";

    /// <returns>The text without secrets.</returns>
    /// <param name="count">How many were taken out.</param>
    public static string Of(string text, out int count)
    {
        int found = 0;
        string Replace(Match match, string with)
        {
            found++;
            return with;
        }

        text = PrivateKey().Replace(text, m => Replace(m, Note));
        text = NamedJson().Replace(text, m => Replace(m, $"{m.Groups["name"].Value}\"{Note}\""));
        text = NamedYaml().Replace(text, m => Replace(m, $"{m.Groups["name"].Value} {Note}"));
        text = NamedOption().Replace(text, m => Replace(m, $"{m.Groups["name"].Value}{Note}"));
        text = UserOfUrl().Replace(text, m => Replace(m, $"://{Note}@"));
        text = Bearer().Replace(text, m => Replace(m, $"{m.Groups["name"].Value}{Note}"));
        text = JsonWebToken().Replace(text, m => Replace(m, Note));
        count = found;
        return text;
    }

    /// <summary>PEM of any private key; line ends may be escaped, and the end may be missing.</summary>
    [GeneratedRegex(@"-----BEGIN [A-Z0-9 ]*PRIVATE KEY-----.*?(-----END [A-Z0-9 ]*PRIVATE KEY-----|\z)", RegexOptions.Singleline)]
    private static partial Regex PrivateKey();

    /// <summary>A JSON string whose name says what it is.</summary>
    [GeneratedRegex(@"(?<name>""[^""\n]*(password|passwd|passphrase|secret|token|credential|private[-_]?key|key[-_]data|authorization|api[-_]?key)[^""\n]*""\s*:\s*)""(?!\(removed)(\\.|[^""\\])+""", RegexOptions.IgnoreCase)]
    private static partial Regex NamedJson();

    /// <summary>The same in YAML.</summary>
    [GeneratedRegex(@"(?<name>^[ \t-]*['""]?[\w./-]*(password|passwd|passphrase|secret|token|credential|private[-_]?key|key[-_]data|authorization|api[-_]?key)[\w./-]*['""]?:)[ \t]+(?!\(removed)[^\s].*$", RegexOptions.IgnoreCase | RegexOptions.Multiline)]
    private static partial Regex NamedYaml();

    /// <summary>The same in a command line, a sentence or a log: password=…, token: …</summary>
    [GeneratedRegex(@"(?<name>\b[\w-]*(password|passwd|passphrase|secret|token|api[-_]?key)(=|:[ ]?))(?!\(removed)[^\s""',;&]+", RegexOptions.IgnoreCase)]
    private static partial Regex NamedOption();

    [GeneratedRegex(@"://[^\s/@:""]+:[^\s/@""]+@")]
    private static partial Regex UserOfUrl();

    [GeneratedRegex(@"(?<name>\bBearer )[\w.~+/=-]{8,}", RegexOptions.IgnoreCase)]
    private static partial Regex Bearer();

    [GeneratedRegex(@"\beyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]*")]
    private static partial Regex JsonWebToken();
}
