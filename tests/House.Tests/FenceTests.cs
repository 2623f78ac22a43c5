using System.Text.RegularExpressions;

namespace ClusterMesh.Datapath.House.Tests;

/// <summary>What may stand only in certain places: pointers, the outside world, and what costs memory on a packet's path.</summary>
public sealed class FenceTests
{
    /// <summary>Files outside src/Io that may use pointers and their like.</summary>
    private static readonly string[] s_unsafe = ["src/Pipeline/Prefetch.cs"]; // docs/decisions/0009

    /// <summary>Projects that allow unsafe blocks: Io, and those of the files above.</summary>
    private static readonly string[] s_unsafeProjects = ["src/Io/Io.csproj", "src/Pipeline/Pipeline.csproj"];

    /// <summary>Files of the stages' folders in which only the configuration's writer or a listing runs, never a packet.</summary>
    private static readonly Dictionary<string, string> s_writers = new()
    {
        ["src/Pipeline/04-Service/ServiceTableWriter.cs"] = "makes the next table",
        ["src/Pipeline/Steering/KnownBackends.cs"] = "the writer adds backends; a packet only looks",
        ["src/Pipeline/08-Route/IndexSet.cs"] = "free blocks of the writer",
        ["src/Pipeline/08-Route/PrefixFamily.cs"] = "the writer's side of the prefixes",
        ["src/Pipeline/08-Route/PrefixLeaves.cs"] = "the writer's side of the prefixes",
        ["src/Pipeline/08-Route/PrefixSlab.cs"] = "memory of the writer",
        ["src/Pipeline/08-Route/PrefixTable.cs"] = "the writer's side of the prefixes",
        ["src/Pipeline/08-Route/PrefixTrie.cs"] = "the writer's side of the prefixes",
    };

    /// <summary>Methods in the same folders that run once, before the first packet.</summary>
    private static readonly string[] s_start = ["MakeCovering"];

    /// <summary>Methods of the worker and its engines that run for each frame or burst.</summary>
    private static readonly Dictionary<string, string[]> s_hotIo = new()
    {
        ["src/Io/Worker.cs"] = ["Forward", "FlushOutbox", "ExchangeNews", "Note", "Capture"],
        ["src/Io/CaptureRing.cs"] = ["TryReserve"],
        ["src/Io/WorkerLinks.cs"] = ["HandOver", "Tell", "TryTakeNews", "Exchange", "GiveBack", "FallAsleep", "Notify", "CopyOf", "CountDrop"],
        ["src/Io/FlowRing.cs"] = ["Append"],
        ["src/Io/FlowTap.cs"] = ["Publish"],
        ["src/Io/HandoverQueue.cs"] = ["TryAdd", "TryTake"],
        ["src/Io/MemoryPaths.cs"] = ["Exchange", "WakeUp", "Release"],
        ["src/Io/PortEngine.cs"] = ["Receive", "ReceiveSpinning", "Complete", "Transmit", "SendSegments", "FrameOf", "CountSent"],
        ["src/Io/RingEngine.cs"] = ["Collect", "RequestReads", "Enter", "Harvest", "TakeFrame", "Send"],
        ["src/Io/ReadinessEngine.cs"] = ["Collect", "TryReceive", "Send"],
    };

    [Fact]
    public void Pointers_stay_in_Io() => Tree.AssertNone(
        (from file in Tree.Sources("src")
         where !file.Path.StartsWith("src/Io/", StringComparison.Ordinal) && !s_unsafe.Contains(file.Path)
         from found in file.Find(@"\bunsafe\b|\bUnsafe\.|\bMemoryMarshal\.|\bDllImport\b|\bLibraryImport\b|\bNativeMemory\.|\bGCHandle\b")
         select $"{found.Where}: {found.Found} belongs into src/Io, whose classes show spans and handles only.")
        .Concat(
            from path in Tree.Files(".csproj", "src").Append("Directory.Build.props")
            where !s_unsafeProjects.Contains(path) && Tree.Read(path).Contains("AllowUnsafeBlocks", StringComparison.Ordinal)
            select $"{path} allows unsafe blocks: only {string.Join(" and ", s_unsafeProjects)} do."));

    [Fact]
    public void Wire_and_Pipeline_see_bytes_tables_and_a_time() => Tree.AssertNone(
        from file in Tree.Sources("src/Wire", "src/Pipeline")
        from found in file.Find(
            @"\bSystem\.IO\b|\bSystem\.Net\.(?:Sockets|Http)\b|\bSystem\.Threading\b|\b(?:File|Directory|Stream|FileStream|Socket|Thread|ThreadPool|Task|Timer|Monitor|Lock)\b(?=[.(<\s])"
            + @"|\bDateTime(?:Offset)?\b|\bStopwatch\b|\bEnvironment\.|\bRandom\.Shared\b|\bnew Random\b|\bConsole\b|\bTimeProvider\b|\bGuid\.")
        select $"{found.Where}: {found.Found}: Wire and Pipeline open no file, socket, thread or clock; take what is needed as a parameter.");

    [Fact]
    public void A_packets_path_makes_no_objects()
    {
        HashSet<string> structs = [.. Tree.Sources("src/Wire", "src/Pipeline").SelectMany(f => f.Find(@"\bstruct \w+")).Select(f => f.Found.Split(' ')[1]), "UInt128"];
        Tree.AssertNone(
            from file in HotFiles()
            let members = file.Members()
            from line in file.Lines.Index()
            where IsHot(file, members, line.Index + 1)
            from Match made in Regex.Matches(line.Item, @"\bnew\b *(\w*)(<[^>]*>)?( *\[)?")
            where made.Groups[3].Success || (made.Groups[1].Value.Length > 0 && !structs.Contains(made.Groups[1].Value))
            select $"{file.Path}:{line.Index + 1}: '{line.Item.Trim()}' makes an object for a packet: make it once, at start.");
    }

    [Fact]
    public void A_packets_path_is_plain() => Tree.AssertNone(
        from file in HotFiles()
        let members = file.Members()
        from found in file.Find(
            @"\basync\b|\bawait\b|\block *\(|\bparams\b|\byield\b|\bthrow\b|\.(?:Select|SelectMany|Where|ToArray|ToList|First|FirstOrDefault|Any|All|OrderBy|Concat|ToDictionary)\(|\bIEnumerable\b|\bstring\.(?:Format|Create|Join|Concat)\b")
        where IsHot(file, members, LineOf(found.Where))
        select $"{found.Where}: {found.Found}: a packet's path has no LINQ, async, lock, params, yield, exception or text (style.md 6).");

    [Fact]
    public void A_stage_makes_no_text() => Tree.AssertNone(
        from file in Tree.Sources("src/Pipeline")
        where file.Path.EndsWith("Stage.cs", StringComparison.Ordinal)
        from line in file.Text.Split('\n').Index()
        where Regex.IsMatch(line.Item, """\$@?"|"[^"]*" \+|\+ "|\.ToString\(""") && !line.Item.TrimStart().StartsWith("///", StringComparison.Ordinal)
        select $"{file.Path}:{line.Index + 1}: '{line.Item.Trim()}' makes text for a packet: give a number, and let the reader make the words.");

    [Fact]
    public void The_lists_of_exceptions_name_what_is_there() => Tree.AssertNone(
        s_writers.Keys.Concat(s_unsafe).Where(p => !Tree.Exists(p)).Select(p => $"{p} is gone: remove it from the list of {nameof(FenceTests)}.")
            .Concat(
                from hot in s_hotIo
                let members = new SourceFile("", Tree.Read(hot.Key)).Members()
                from name in hot.Value
                where members.All(m => m.Name != name)
                select $"{hot.Key} has no {name} any more: mend the list of {nameof(FenceTests)}."));

    private static IEnumerable<SourceFile> HotFiles() => Tree.Sources("src/Pipeline")
        .Where(f => Regex.IsMatch(f.Path, @"^src/Pipeline/(\d\d-|Answers/|Events/FlowEvents\.cs|Offloads/|Shortcut/|Steering/|PacketPipeline\.cs|FlowIndex\.cs|Prefetch\.cs)") && !s_writers.ContainsKey(f.Path))
        .Concat(s_hotIo.Keys.Select(path => new SourceFile(path, Tree.Read(path))));

    /// <summary>Constructors and initializers run at start; of the worker and its engines only the per-frame methods count.</summary>
    private static bool IsHot(SourceFile file, IReadOnlyList<SourceMember> members, int line)
    {
        SourceMember? member = members.FirstOrDefault(m => m.Contains(line));
        if (s_hotIo.TryGetValue(file.Path, out string[]? hot))
        {
            return member is not null && hot.Contains(member.Name);
        }

        return (member is { IsConstructor: false } && !s_start.Contains(member.Name)) || (member is null && !Regex.IsMatch(file.Lines[line - 1], @"\breadonly\b|\bget; }"));
    }

    private static int LineOf(string where) => int.Parse(where[(where.LastIndexOf(':') + 1)..]);
}
