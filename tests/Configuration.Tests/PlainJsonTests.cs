using System.Text.Json;
using System.Text.RegularExpressions;
using ClusterMesh.Datapath.Control;
using ClusterMesh.Datapath.State;

namespace ClusterMesh.Datapath.Configuration.Tests;

/// <summary>
/// JSON has a short way into a document and, as YAML, a long one. Nobody must be able to tell which was taken: a comment behind the
/// text forces the long way, and both must give the same document or the same sentence.
/// </summary>
public sealed partial class PlainJsonTests
{
    /// <summary>What the two languages read apart if anything is: numbers, nulls, escapes, separators, names.</summary>
    private static readonly string[] s_pieces =
    [
        "null", "true", "false", "80", "-1", "-0", "1.0", "1e2", "0x10", "007", "99999999999", "\"80\"", "\"\"", "\"~\"", "\"null\"", "~", "\"a\\u0041\"", "\"\\u0007\"",
        "\"é\"", "\"\t\"", "{}", "[]", "[null]", "{\"a\":1}", ",", ",,", ":", "}", "]", "{", "[", "\"", "'x'", "# c", "//c", "/*c*/", "*a", "&a 1", "!!str x", "<<",
        "\"name\":\"default/b\",", "\"Name\":\"default/b\",", "\"state\":\"terminating\",", "\"state\":null,", "\"services\":[],", "- x", "\n", "\t", " ", "%", "@", "|", ">",
    ];

    [Fact(Timeout = 120_000)]
    public Task Both_ways_agree() => Task.Run(() =>
    {
        const int Seed = 20261123;
        Random random = new(Seed);
        int readCount = 0;
        for (int i = 0; i < 20_000; i++)
        {
            string text = i == 0 ? Sample.Change : Mutate(Sample.Change, random);
            string plain = Outcome(text);
            string longWay = Outcome(text + " # the long way");
            Assert.True(plain == longWay, $"seed {Seed}, case {i}\n{text}\nas it is: {plain}\nlong way: {longWay}");
            readCount += plain.StartsWith('{') ? 1 : 0;
        }

        // Neither all good nor all bad, or the mutations test nothing.
        Assert.InRange(readCount, 1_000, 19_000);
    }, TestContext.Current.CancellationToken);

    [Fact]
    public void Lines_are_known_though_nothing_needed_them()
    {
        Assert.Equal("x.json:3", ChangeFile.Parse("x.json", "{\n\"services\":\n[{\"name\": \"default/a\"}]}").Origin.Locate("services[0].name"));
    }

    private static string Outcome(string text)
    {
        try
        {
            return JsonSerializer.Serialize(ChangeFile.Parse("x.json", text).Document, ControlJson.Default.ChangeDocument);
        }
        catch (ConfigurationException e)
        {
            return e.Message;
        }
    }

    private static string Mutate(string text, Random random)
    {
        for (int count = random.Next(1, 4); count > 0; count--)
        {
            int at = random.Next(text.Length);
            int length = random.Next(3) == 0 ? 0 : WordAt(text, ref at);
            text = text[..at] + (random.Next(4) == 0 ? "" : s_pieces[random.Next(s_pieces.Length)]) + text[(at + length)..];
        }

        return text;
    }

    /// <summary>A whole value or name around a position, so that many mutations stay well formed.</summary>
    private static int WordAt(string text, ref int at)
    {
        Match word = Words().Match(text, at);
        at = word.Success ? word.Index : at;
        return word.Length;
    }

    [GeneratedRegex("\"[^\"]*\"|[0-9]+|[{}:,]|\\[|\\]")]
    private static partial Regex Words();
}
