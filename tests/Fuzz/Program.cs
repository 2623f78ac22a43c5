using System.Globalization;
using ClusterMesh.Datapath.Fuzz.Mutation;
using SharpFuzz;

namespace ClusterMesh.Datapath.Fuzz;

/// <summary>
/// The fuzz targets as a program: tests/fuzz.sh instruments a copy of it and has AFL++ run it. Exit codes: 0 done, 1 an input is a find, 2 the command line is
/// wrong.
/// </summary>
internal static class Program
{
    private const string Usage = """
        fuzz targets                        the targets, one a line, each with the assemblies to instrument
        fuzz run TARGET [PATH...]           inputs from AFL++, which has started this program; these files and folders first, for what runs only once
        fuzz replay TARGET [PATH...]        inputs of the tree, or these files and folders: says which are finds
        fuzz seeds TARGET FOLDER            writes the target's structured seeds
        fuzz mutate [COUNT [SEED]]          so many malformed texts and as many records, by a seeded mutator
        """;

    /// <summary>The slowest input of the corpus takes some 10 ms; the first is not counted, for which code is compiled.</summary>
    private static readonly TimeSpan s_longest = TimeSpan.FromSeconds(1);

    public static int Main(string[] arguments)
    {
        Coverage.HaveRoom();
        switch (arguments)
        {
            case ["targets"]:
                foreach (string name in FuzzTargets.Names)
                {
                    Console.WriteLine($"{name} {string.Join(' ', FuzzTargets.AssembliesOf(name))}");
                }

                return 0;
            case ["run", string name, .. string[] paths] when FuzzTargets.Make(name) is { } target:
                Follow(target, [.. paths.SelectMany(FilesOf)]);
                return 0;
            case ["replay", string name, .. string[] paths] when FuzzTargets.Make(name) is { } target:
                using (target)
                {
                    return Replay(target, paths.Length == 0 ? Corpus.FilesOf(name) : [.. paths.SelectMany(FilesOf)]);
                }

            case ["seeds", string name, string folder] when FuzzTargets.Make(name) is { } target:
                Directory.CreateDirectory(folder);
                foreach ((string seed, byte[] bytes) in target.Seeds())
                {
                    File.WriteAllBytes(Path.Combine(folder, seed), bytes);
                }

                return 0;
            case ["mutate", .. string[] numbers] when numbers.Length <= 2 && numbers.All(n => int.TryParse(n, CultureInfo.InvariantCulture, out _)):
                int[] given = [.. numbers.Select(n => int.Parse(n, CultureInfo.InvariantCulture))];
                return MutationRun.Report(given.ElementAtOrDefault(0) is > 0 and int count ? count : 100_000, given.ElementAtOrDefault(1));
            default:
                Console.Error.WriteLine(Usage);
                return 2;
        }
    }

    /// <summary>One input after the other; the fuzzer sees in shared memory what each covers. A process behind this one does the work and may end by an input.</summary>
    private static void Follow(FuzzTarget target, string[] first)
    {
        Console.SetError(TextWriter.Null);
        foreach (string file in first)
        {
            target.Run(File.ReadAllBytes(file));
        }

        bool isWarm = false;
        Fuzzer.OutOfProcess.Run((Stream stream) =>
        {
            using var all = new MemoryStream();
            stream.CopyTo(all);
            RunTimed(target, all.ToArray(), isWarm);
            isWarm = true;
        });
    }

    /// <summary>By the processor's time: the machine may be busy with others.</summary>
    private static void RunTimed(FuzzTarget target, byte[] input, bool isWarm)
    {
        TimeSpan began = Environment.CpuUsage.TotalTime;
        target.Run(input);
        TimeSpan took = Environment.CpuUsage.TotalTime - began;
        FuzzFinding.Unless(!isWarm || took < s_longest, $"it took {took.TotalMilliseconds:f0} ms of the processor");
    }

    private static int Replay(FuzzTarget target, IReadOnlyList<string> files)
    {
        int finds = 0;
        bool isWarm = false;
        foreach (string file in files)
        {
            try
            {
                RunTimed(target, File.ReadAllBytes(file), isWarm);
                isWarm = true;
            }
            catch (Exception e)
            {
                finds++;
                Console.WriteLine($"{file}: {e}");
            }
        }

        Console.WriteLine($"{target.Name}: {files.Count} inputs, {finds} finds");
        return finds == 0 ? 0 : 1;
    }

    private static IEnumerable<string> FilesOf(string path) => Directory.Exists(path) ? Directory.GetFiles(path).Order(StringComparer.Ordinal) : [path];
}
