using System.Globalization;
using System.Text;
using ClusterMesh.Datapath.Fuzz.Targets;

namespace ClusterMesh.Datapath.Fuzz.Mutation;

/// <summary>Malformed texts and records by the seeded mutators: each is accepted or ends in a sentence, and none leaves memory behind.</summary>
internal sealed class MutationRun(int count, int seed)
{
    /// <summary>Bytes that the heap may have more after the second half than after the first: what caches and counters keep.</summary>
    private const long MostGrowth = 4 * 1024 * 1024;

    private readonly List<string> _finds = [];

    public IReadOnlyList<string> Finds => _finds;

    /// <summary>Texts first, then records.</summary>
    public IReadOnlyList<(string What, int Accepted, int Refused, long Growth)> Results { get; private set; } = [];

    /// <summary>Prints what became of them, and a line of figures at the end.</summary>
    public static int Report(int count, int seed)
    {
        var run = new MutationRun(count, seed);
        run.Run();
        foreach ((string what, int accepted, int refused, long growth) in run.Results)
        {
            Console.WriteLine(string.Create(
                CultureInfo.InvariantCulture, $"{what,-8} {count} malformed, seed {seed}: {accepted} accepted, {refused} ended in a sentence, {count - accepted - refused} not for a reader, heap {growth / 1024.0:+0;-0;0} KiB over the second half"));
        }

        foreach (string find in run.Finds.Take(20))
        {
            Console.WriteLine($"  FAIL  {find}");
        }

        Console.WriteLine($"{Math.Max(0, run.Results.Count - run.Finds.Count)} passed, {run.Finds.Count} failed");
        return run.Finds.Count == 0 ? 0 : 1;
    }

    public void Run()
    {
        var random = new Random(seed);
        var texts = new TextMutator(random);
        var yaml = new YamlTarget();
        byte[][] good = [.. yaml.Seeds().Select(s => s.Bytes)];
        long textGrowth = Each(yaml, () => Text(good[random.Next(good.Length)], texts, random));
        var mutator = new RecordMutator(random);
        var records = new RecordsTarget();
        byte[][] sound = [.. records.Seeds().Select(s => s.Bytes)];
        long recordGrowth = Each(records, () => mutator.Next(sound[random.Next(sound.Length)]));
        Results = [("yaml", yaml.AcceptedCount, yaml.RefusedCount, textGrowth), ("records", records.AcceptedCount, records.RefusedCount, recordGrowth)];
    }

    /// <summary>The kind of reader stays what it is, so that each reader gets its own texts.</summary>
    private static byte[] Text(byte[] seed, TextMutator texts, Random random) => random.Next(8) == 0
        ? [seed[0], .. texts.NextBytes(seed[1..])]
        : [seed[0], .. Encoding.UTF8.GetBytes(texts.Next(Encoding.UTF8.GetString(seed[1..])))];

    /// <returns>Bytes by which the heap grew over the second half.</returns>
    private long Each(FuzzTarget target, Func<byte[]> next)
    {
        long half = 0;
        for (int i = 0; i < count; i++)
        {
            if (i == count / 2)
            {
                half = GC.GetTotalMemory(forceFullCollection: true);
            }

            byte[] input = next();
            try
            {
                target.Run(input);
            }
            catch (Exception e)
            {
                _finds.Add($"{target.Name}, seed {seed}, number {i}: {e.GetType().Name}: {e.Message}\n{e.StackTrace}\n{Encoding.UTF8.GetString(input)}");
            }
        }

        long growth = GC.GetTotalMemory(forceFullCollection: true) - half;
        if (growth > MostGrowth)
        {
            _finds.Add($"{target.Name}: the heap grew by {growth} bytes over the second half");
        }

        return growth;
    }
}
