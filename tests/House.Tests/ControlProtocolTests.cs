using System.Text.RegularExpressions;

namespace ClusterMesh.Datapath.House.Tests;

/// <summary>docs/control-protocol.md names every method and kind that a forwarder answers, and no other. (The error codes are Control.Tests' own.)</summary>
public sealed class ControlProtocolTests
{
    private const string Page = "docs/control-protocol.md";
    private const string Methods = "src/Forwarder/ControlMethods.cs";

    private static readonly string s_page = Tree.Read(Page);
    private static readonly string s_kinds = Tree.Read("src/Control/ControlKinds.cs");

    [Fact]
    public void The_methods_are_those_that_are_mapped()
    {
        string[] mapped = [.. Named(Tree.Read(Methods), @"server\.Map\(""(\w+)"""), .. Named(Tree.Read("src/Control/ControlServer.cs") + Tree.Read("src/Control/Server/ControlConnection.cs"), @"""(list|watch|unwatch)""")];
        Same(mapped, Named(s_page, @"(?m)^\| `(\w+)` \|"), "methods");
    }

    [Fact]
    public void The_roles_are_those_that_are_declared()
    {
        const string Declared = @"(?:Map\(""|_methods\.Add\("")(\w+)"", \(?ControlRole\.(\w+)";
        string[] declared = [.. Regex.Matches(Tree.Read(Methods) + Tree.Read("src/Control/ControlServer.cs"), Declared).Select(m => $"{m.Groups[1].Value} {m.Groups[2].Value.ToLowerInvariant()}")];
        Same(declared, Regex.Matches(s_page, @"(?m)^\| `(\w+)` \| (admin|reader) \|").Select(m => $"{m.Groups[1].Value} {m.Groups[2].Value}"), "roles");
    }

    [Fact]
    public void The_kinds_are_those_that_are_mapped()
    {
        string[] mapped = [.. Named(Tree.Read(Methods), @"MapKind\(ControlKinds\.(\w+)").Select(property => Regex.Match(s_kinds, $@"\b{property} \{{ get; \}} =\s*new\(""(\w+)""").Groups[1].Value)];
        Same(mapped, Named(Line("`K` for `list` and `watch`:"), @"`(\w+)`"), "kinds of list and watch");
        Same(Named(Regex.Match(s_kinds, @"Deletable.*").Value, @"""(\w+)"""), Named(Regex.Replace(Line("`K` for `delete`:"), @"\([^)]*\)", ""), @"`(\w+)`"), "kinds of delete");
    }

    [Fact]
    public void The_live_kinds_are_those_that_are_compared() => Same(
        Named(s_kinds, @"new\(""(\w+)"", Live: true"), Named(Regex.Match(s_page, @"live kinds \(([^)]*)\)").Groups[1].Value, @"`(\w+)`"), "live kinds");

    private static string Line(string start) => Regex.Match(s_page, $@"(?m)^{Regex.Escape(start)}(.*)$").Groups[1].Value;

    private static string[] Named(string text, string pattern) => [.. Regex.Matches(text, pattern).Select(m => m.Groups[1].Value)];

    private static void Same(IEnumerable<string> mapped, IEnumerable<string> told, string what)
    {
        string[] code = [.. mapped.Distinct().Order()];
        string[] page = [.. told.Distinct().Order()];
        Assert.True(code.Length > 0 && code.SequenceEqual(page), $"{Page} names the {what} {string.Join(", ", page)}, the code answers {string.Join(", ", code)}: change the page with the code.");
    }
}
