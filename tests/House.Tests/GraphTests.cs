using System.Xml.Linq;

namespace ClusterMesh.Datapath.House.Tests;

/// <summary>Which project may know which, and what each takes from outside.</summary>
public sealed class GraphTests
{
    /// <summary>By name: projects it references, packages it takes.</summary>
    private static readonly SortedDictionary<string, (string[] Projects, string[] Packages)> s_allowed = new(StringComparer.Ordinal)
    {
        ["Wire"] = ([], []),
        ["Pipeline"] = (["Wire"], []),
        ["Io"] = (["Pipeline"], ["Tmds.LibC"]), // system calls
        ["State"] = (["Pipeline"], []),
        ["Control"] = ([], []),
        ["Configuration"] = (["Control", "State"], ["YamlDotNet"]),
        ["Trace"] = (["Control", "State"], []),
        ["Forwarder"] = (["Configuration", "Control", "Io", "State", "Trace"], ["Microsoft.Diagnostics.Runtime"]), // stacks of threads that are stuck
        ["Mesh"] = (["Wire"], ["YamlDotNet", "dotnet-etcd"]), // etcd client files, etcd
        ["Agent"] = (["Configuration", "Control", "Io", "Mesh", "Observe"], []),
        ["Replay"] = (["Configuration", "State"], ["SharpPcap"]), // capture files
        ["Observe"] = (["Pipeline"], ["Grpc.AspNetCore", "Microsoft.AspNetCore.App"]), // Hubble's API, the agent's REST, metrics
        ["Cli"] = (["Configuration", "Control", "Io", "Observe", "Replay"], ["Spectre.Console", "System.CommandLine"]),
    };

    [Fact]
    public void Projects_reference_what_the_table_allows()
    {
        var found = Tree.Folders("src").ToDictionary(name => name, name => Read($"src/{name}/{name}.csproj"));
        Tree.AssertNone(
            found.Keys.Except(s_allowed.Keys).Select(name => $"src/{name} is not in the table of {nameof(GraphTests)}: say there what it may reference.")
                .Concat(s_allowed.Keys.Except(found.Keys).Select(name => $"src/{name} is gone: remove it from the table of {nameof(GraphTests)}."))
                .Concat(found.Keys.Intersect(s_allowed.Keys).SelectMany(name => Differences(name, found[name], s_allowed[name]))));
    }

    [Fact]
    public void Versions_stand_in_one_place() => Tree.AssertNone(
        from path in Tree.Files(".csproj", "src", "tests")
        from reference in XDocument.Parse(Tree.Read(path)).Descendants("PackageReference")
        where reference.Attribute("Version") is not null || reference.Attribute("VersionOverride") is not null || reference.Element("Version") is not null
        select $"{path} gives {reference.Attribute("Include")?.Value} a version: put it into Directory.Packages.props.");

    [Fact]
    public void Every_project_has_its_lock_file_and_is_in_the_solution()
    {
        string solution = Tree.Read("ClusterMesh.Datapath.sln");
        IReadOnlyList<string> projects = Tree.Files(".csproj", "src", "tests");
        Tree.AssertNone(
            projects.Where(p => !Tree.Exists(Path.Combine(Path.GetDirectoryName(p)!, "packages.lock.json")))
                .Select(p => $"{p} has no packages.lock.json beside it: run dotnet restore and commit the file.")
                .Concat(projects.Where(p => !solution.Contains(p.Replace('/', '\\'), StringComparison.Ordinal)).Select(p => $"{p} is not in the solution: run dotnet sln add {p}.")));
    }

    private static IEnumerable<string> Differences(string name, (string[] Projects, string[] Packages) found, (string[] Projects, string[] Packages) allowed) =>
        found.Projects.Except(allowed.Projects).Select(p => $"src/{name} references {p}, which the table of {nameof(GraphTests)} does not allow: turn the dependency round or move the code.")
            .Concat(allowed.Projects.Except(found.Projects).Select(p => $"src/{name} references {p} no more: remove it from the table of {nameof(GraphTests)}."))
            .Concat(found.Packages.Except(allowed.Packages).Select(p => $"src/{name} takes package {p}, which the table of {nameof(GraphTests)} does not allow: do without, or add it there with what it is for."))
            .Concat(allowed.Packages.Except(found.Packages).Select(p => $"src/{name} takes package {p} no more: remove it from the table of {nameof(GraphTests)}."));

    private static (string[] Projects, string[] Packages) Read(string path)
    {
        XDocument project = XDocument.Parse(Tree.Read(path));
        return (
            [.. project.Descendants("ProjectReference").Select(r => Path.GetFileNameWithoutExtension(r.Attribute("Include")!.Value))],
            [.. project.Descendants("PackageReference").Concat(project.Descendants("FrameworkReference")).Select(r => r.Attribute("Include")!.Value)]);
    }
}
