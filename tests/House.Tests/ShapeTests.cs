using System.Text.RegularExpressions;

namespace ClusterMesh.Datapath.House.Tests;

/// <summary>The size and the names of things.</summary>
public sealed class ShapeTests
{
    private const int MostFileLines = 400;
    private const int MostHotLines = 60;

    // Interface -> why it has two implementations.
    private static readonly Dictionary<string, string> s_interfaces = new()
    {
        ["IClusterStore"] = "the agent's own file store for one node, etcd for a cluster",
        ["IStageWitness"] = "nobody where packets are forwarded, one who writes down where they are traced",
    };

    /// <summary>Waits by the clock in tests. A wait hides a race; each of these polls what gives no event.</summary>
    private static readonly Dictionary<string, string> s_waits = new()
    {
        ["tests/Observe.Tests/Hubble/RelayTests.cs"] = "feeds a node until the relay is known to listen to it",
        ["tests/Cli.Tests/WatchTests.cs"] = "polls what another task has printed, under a limit",
        ["tests/Benchmarks/Mesh/ScaleRun.cs"] = "beats as a cluster does; an agent that starts and a status that becomes ready are asked again and again",
        ["tests/Benchmarks/Mesh/SimulatedEtcd.cs"] = "etcd tells nobody when it begins to serve; each try is a request",
        ["tests/Benchmarks/Mesh/StandInForwarder.cs"] = "only the limit of a wait for what the forwarder is told",
        ["tests/Mesh.Tests/Eventually.cs"] = "polls what the answer of another process changes, under a limit",
        ["tests/Mesh.Tests/EtcdServer.cs"] = "etcd tells nobody when it begins to serve; each try is a connection",
        ["tests/Benchmarks/EventBenchmark.cs"] = "rests between two looks as the agent's collector does",
        ["tests/Io.Tests/WorkerTests.cs"] = "no event tells that another thread's request lies in the queue",
        ["tests/Io.Tests/TapDeviceTests.cs"] = "the kernel tells nobody when the last copy of a descriptor is closed",
    };

    [Fact]
    public void No_file_is_longer_than_400_lines() => Tree.AssertNone(
        Tree.Files(".cs", "src", "tests").Concat(Tree.Files(".sh", "lab", "tests", "src")).Concat(Tree.Files(".c", "native", "src")).Append(".ci/run").Append("run-lab.sh")
            .Select(path => (Path: path, Count: new SourceFile(path, Tree.Read(path)).LineCount))
            .Where(f => f.Count > MostFileLines)
            .Select(f => $"{f.Path} has {f.Count} lines, more than {MostFileLines}: it is two ideas; give the second one a file."));

    [Fact]
    public void No_method_of_the_packets_path_is_longer_than_60_lines() => Tree.AssertNone(
        from file in Tree.Sources("src/Pipeline", "src/Wire").Append(new SourceFile("src/Io/Worker.cs", Tree.Read("src/Io/Worker.cs")))
        from member in file.Members()
        where member.LineCount > MostHotLines
        select $"{file.Path}:{member.FirstLine}: {member.Name} has {member.LineCount} lines, more than {MostHotLines}: give its steps names.");

    [Fact]
    public void A_file_has_one_public_type() => Tree.AssertNone(
        from file in Tree.Sources("src")
        let types = file.Find(@"(?m)^public (?:\w+ )*(?:class|struct|record|enum|interface|delegate) (?:struct |class )?\w+").ToArray()
        where types.Length > 1
        select $"{file.Path} has {types.Length} public types ({string.Join("; ", types.Select(t => t.Found))}): give each its own file.");

    [Fact]
    public void No_name_says_nothing()
    {
        const string Banned = "(?:Manager|Helper|Util|Utils|Utility|Utilities|Processor|Info|Impl|Base|Common)s?(?![a-z])";
        Tree.AssertNone(
            (from file in Tree.Sources("src", "tests")
             from type in file.Find(@"\b(?:class|struct|record|enum|interface) (?:struct |class )?\w+")
             where Regex.IsMatch(type.Found, Banned)
             select $"{type.Where}: '{type.Found}' has a word that says nothing; name what it is or does (style.md 5).")
            .Concat(
                from path in Tree.Files("", "src", "tests", "lab", "docs")
                where Regex.IsMatch(Path.GetFileNameWithoutExtension(path), Banned) || Regex.IsMatch(Path.GetFileName(path), "^(?:manager|helpers?|utils?|common|base|misc)[.-]")
                select $"{path} has a word in its name that says nothing; name what is in it (style.md 5)."));
    }

    [Fact]
    public void An_interface_has_two_implementations_and_stands_in_the_list()
    {
        string[] found = [.. Tree.Sources("src").SelectMany(f => f.Find(@"\binterface \w+")).Select(f => f.Found.Split(' ')[1]).Order()];
        Tree.AssertNone(
            found.Except(s_interfaces.Keys).Select(name => $"interface {name} is not in the list of {nameof(ShapeTests)}: use the class, or add it there with its two implementations.")
                .Concat(s_interfaces.Keys.Except(found).Select(name => $"interface {name} is gone: remove it from the list of {nameof(ShapeTests)}.")));
    }

    [Fact]
    public void Work_that_is_left_has_an_issue() => Tree.AssertNone(
        (from file in Tree.Sources("src", "tests")
         from found in file.FindInComments(@"\b(?:TODO|FIXME|HACK|XXX)\b.{0,12}")
         select (found.Where, found.Found))
        .Concat(
            from path in Tree.Files(".sh", "lab", "tests")
            from line in Tree.Read(path).Split('\n').Index()
            where Regex.IsMatch(line.Item, @"#.*\b(?:TODO|FIXME|HACK|XXX)\b")
            select ($"{path}:{line.Index + 1}", line.Item.Trim()))
        .Where(found => !Regex.IsMatch(found.Item2, @"TODO \(?#\d+"))
        .Select(found => $"{found.Item1}: '{found.Item2}': write 'TODO #12: …' with the issue's number, or do it now."));

    [Fact]
    public void No_test_waits_by_the_clock()
    {
        (string Where, string Found)[] waits = [.. Tree.Sources("tests").SelectMany(f => f.Find(@"\bThread\.Sleep\b|\bTask\.Delay\b|\bSpinWait\b"))];
        string[] files = [.. waits.Select(w => w.Where[..w.Where.IndexOf(':', StringComparison.Ordinal)]).Distinct()];
        Tree.AssertNone(
            waits.Where(w => !s_waits.ContainsKey(w.Where[..w.Where.IndexOf(':', StringComparison.Ordinal)]))
                .Select(w => $"{w.Where}: {w.Found} hides a race; wait for the event itself, or list the file in {nameof(ShapeTests)} with a reason.")
                .Concat(s_waits.Keys.Except(files).Select(path => $"{path} waits no more: remove it from the list of {nameof(ShapeTests)}.")));
    }
}
