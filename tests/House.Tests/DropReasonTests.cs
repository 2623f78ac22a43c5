using System.Text;
using System.Text.RegularExpressions;
using ClusterMesh.Datapath.Pipeline;

namespace ClusterMesh.Datapath.House.Tests;

/// <summary>A drop reason has one definition, its member of the enum; the page is made of it, and every reason is used and provoked.</summary>
public sealed class DropReasonTests
{
    private const string Enum = "src/Pipeline/DropReason.cs";
    private const string Page = "docs/drop-reasons.md";

    /// <summary>Numbers of our own, which Cilium does not use.</summary>
    private const int FirstOwn = 250;

    private static readonly DropReason[] s_reasons = [.. System.Enum.GetValues<DropReason>().Where(r => r != DropReason.None)];

    [Fact]
    public void The_page_is_the_enum()
    {
        string page = MakePage();
        if (Environment.GetEnvironmentVariable("UPDATE_DOCS") == "1")
        {
            File.WriteAllText(Path.Combine(Tree.Root, Page), page);
        }

        Assert.True(Tree.Exists(Page), $"{Page} is missing: run the house tests with UPDATE_DOCS=1.");
        Assert.True(Tree.Read(Page) == page, $"{Page} does not say what {Enum} says: change the enum, then run the house tests with UPDATE_DOCS=1. It should be\n{page}");
    }

    [Fact]
    public void Every_reason_has_its_words_and_its_sentence() => Tree.AssertNone(s_reasons.SelectMany(r => (string[])
    [
        .. DropReasons.TextOf(r) == r.ToString() ? (string[])[$"{Enum}: {r} has no [Description]: give Cilium's words for {(int)r}."] : [],
        .. SentenceOf(r).EndsWith('.') ? (string[])[] : [$"{Enum}: {r} has no summary that ends in a full stop: say when it happens."],
    ]));

    [Fact]
    public void Every_reason_is_given_and_provoked()
    {
        string given = string.Concat(Tree.Sources("src").Where(f => f.Path != Enum).Select(f => f.Code));
        string provoked = string.Concat(Tree.Sources("tests").Where(f => !f.Path.StartsWith("tests/House.Tests/", StringComparison.Ordinal)).Select(f => f.Code));
        Tree.AssertNone(s_reasons.SelectMany(r => (string[])
        [
            .. Regex.IsMatch(given, $@"\bDropReason\.{r}\b") ? (string[])[] : [$"{Enum}: nothing drops for {r}: remove it."],
            .. Regex.IsMatch(provoked, $@"\bDropReason\.{r}\b") ? (string[])[] : [$"{Enum}: no test provokes {r}: write the scenario."],
        ]));
    }

    private static string MakePage()
    {
        var page = new StringBuilder($"""
            # Drop reasons

            Every packet that ends in the datapath is counted under one of these, and `cmesh counters` and replays print these words.
            Numbers and words are Cilium's, so that its tools print ours; from {FirstOwn} on they are this project's own. A number never
            changes its meaning.

            This page is made from [DropReason.cs](../{Enum}) by the house tests (`UPDATE_DOCS=1`); change it there.

            | number | words | when |
            |---|---|---|

            """);
        foreach (DropReason reason in s_reasons)
        {
            page.Append($"| {(int)reason} | {DropReasons.TextOf(reason)} | {SentenceOf(reason)} |\n");
        }

        return page.ToString();
    }

    /// <summary>The member's summary, in one line, with the names of what it refers to as code.</summary>
    private static string SentenceOf(DropReason reason)
    {
        Match member = Regex.Match(Tree.Read(Enum), $@"/// <summary>((?:(?!</summary>)[\s\S])*)</summary>\s*\[Description\(""[^""]*""\)\]\s*{reason} = {(int)reason},");
        string text = Regex.Replace(member.Groups[1].Value, @"\s*\n\s*///\s*", " ").Trim();
        return Regex.Replace(text, @"<see cref=""([^""]+)""/>", "`$1`").Replace("|", "\\|", StringComparison.Ordinal);
    }
}
