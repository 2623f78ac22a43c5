using System.Text.RegularExpressions;

namespace ClusterMesh.Datapath.House.Tests;

/// <summary>From the folders alone a stranger can draw a packet's path: folders, calls and the page that tells it are in one order.</summary>
public sealed class StageTests
{
    private const string Pipeline = "src/Pipeline/PacketPipeline.cs";
    private const string Page = "docs/a-packets-life.md";

    /// <summary>Public methods of a stage beside Run.</summary>
    private static readonly Dictionary<string, string[]> s_more = new()
    {
        ["ConntrackStage"] = ["Confirm"], // a flow is recorded once every later stage has let its first packet through
    };

    private static IReadOnlyList<string> Stages => [.. Tree.Folders("src/Pipeline").Where(f => Regex.IsMatch(f, @"^\d\d-"))];

    [Fact]
    public void The_calls_are_in_the_order_of_the_folders()
    {
        string[] called = [.. Regex.Matches(new SourceFile(Pipeline, Tree.Read(Pipeline)).Code, @"\b(\w+)Stage\.Run\(").Select(m => m.Groups[1].Value)];
        Assert.True(
            Stages.Select(NameOf).SequenceEqual(called),
            $"{Pipeline} calls {string.Join(", ", called)}, the folders are {string.Join(", ", Stages)}: git mv the folders to the order of the calls, or mend the calls.");
    }

    [Fact]
    public void The_page_tells_the_stages_in_the_order_of_the_folders()
    {
        string[] told = [.. Regex.Matches(Tree.Read(Page), @"(?m)^(?:#+ |\*\*|- |\d+\. )\W*(\d\d-\w+)").Select(m => m.Groups[1].Value).Distinct()];
        Assert.True(
            Stages.SequenceEqual(told),
            $"{Page} tells {string.Join(", ", told)}, the folders of src/Pipeline are {string.Join(", ", Stages)}: let the page name each as **NN-Name** at the begin of its paragraph, in order.");
    }

    [Fact]
    public void Each_stage_has_one_file_of_its_name_with_one_Run() => Tree.AssertNone(Stages.SelectMany(folder =>
    {
        string name = NameOf(folder) + "Stage";
        string path = $"src/Pipeline/{folder}/{name}.cs";
        if (!Tree.Exists(path))
        {
            return [$"{path} is missing: a stage is a static class {name} in a folder of its number and name."];
        }

        string code = new SourceFile(path, Tree.Read(path)).Code;
        string[] methods = [.. Regex.Matches(code, @"(?m)^    public static (\w+) (\w+)\(").Where(m => m.Groups[1].Value != "readonly").Select(m => $"{m.Groups[1].Value} {m.Groups[2].Value}")];
        string[] wanted = ["Verdict Run", .. s_more.GetValueOrDefault(name, []).Select(more => $"Verdict {more}")];
        return methods.SequenceEqual(wanted) && code.Contains($"public static class {name}", StringComparison.Ordinal)
            ? []
            : (string[])[$"{path} must be a static class {name} with the public methods {string.Join(", ", wanted)}; it has {string.Join(", ", methods)}."];
    }));

    private static string NameOf(string folder) => folder[3..];
}
