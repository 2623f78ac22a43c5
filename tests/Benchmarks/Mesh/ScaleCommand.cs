using System.Diagnostics;
using System.Globalization;

namespace ClusterMesh.Datapath.Benchmarks.Mesh;

/// <summary>
/// <c>benchmarks mesh</c>, by way of lab/scale.sh: a real agent joins meshes of simulated clusters that lie in real etcds. Start, memory,
/// processor time and the way of a change to the forwarder's configuration, each beside its target. Exit code 1 when one is missed.
/// </summary>
internal static class ScaleCommand
{
    private const string Usage = "usage: benchmarks mesh AGENT [--clusters 10,100,255] [--nodes 5000] [--endpoints 50000] [--services 20] [--changes 50] [--etcds 8]";

    public static async Task<int> RunAsync(string[] arguments)
    {
        Dictionary<string, string> options = new()
        {
            ["--clusters"] = "1,10,100,255",
            ["--nodes"] = "5000",
            ["--endpoints"] = "50000",
            ["--services"] = "20",
            ["--changes"] = "50",
            ["--etcds"] = "8",
        };
        for (int i = 1; i < arguments.Length; i += 2)
        {
            if (!options.ContainsKey(arguments[i]) || i + 1 == arguments.Length)
            {
                Console.Error.WriteLine(Usage);
                return 2;
            }

            options[arguments[i]] = arguments[i + 1];
        }

        int number(string name) => int.Parse(options[name], NumberStyles.None, CultureInfo.InvariantCulture);
        if (arguments.Length == 0 || !File.Exists(arguments[0]) || options.Values.SelectMany(v => v.Split(',')).Any(v => !int.TryParse(v, NumberStyles.None, CultureInfo.InvariantCulture, out int n) || n == 0))
        {
            Console.Error.WriteLine(arguments.Length > 0 && !File.Exists(arguments[0]) ? $"{arguments[0]}: there is no such program; build src/Agent first" : Usage);
            return 2;
        }

        bool well = true;
        Console.WriteLine($"{"what",-66}{"figure",12}  target");
        foreach (int clusters in options["--clusters"].Split(',').Select(c => int.Parse(c, CultureInfo.InvariantCulture)))
        {
            // A single cluster is the size that kvstoremesh was measured with: 22,000 keys.
            ScaleSize size = clusters == 1
                ? new ScaleSize(1, 200, 19_780, number("--services"), 1)
                : new ScaleSize(clusters, Math.Max(1, number("--nodes") / clusters), Math.Max(1, number("--endpoints") / clusters), number("--services"), number("--etcds"));
            well &= await new ScaleRun(arguments[0], size, number("--changes"), Report).RunAsync();
        }

        return well ? 0 : 1;
    }

    private static bool Report(string what, double figure, string unit, double? target)
    {
        bool met = target is null || figure <= target;
        Console.WriteLine(string.Create(
            CultureInfo.InvariantCulture, $"{what,-66}{figure,9:0.##} {unit,-3} {(target is null ? "" : $" {(met ? "met   " : "MISSED")} at most {target:0.##} {unit}")}"));
        return met;
    }
}
