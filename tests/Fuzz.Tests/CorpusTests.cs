namespace ClusterMesh.Datapath.Fuzz.Tests;

/// <summary>Every input that is kept, and every earlier find, through its target: what was mended stays mended, without a fuzzer.</summary>
public sealed class CorpusTests
{
    private static readonly TimeSpan s_longest = TimeSpan.FromSeconds(5);

    public static TheoryData<string> Names => [.. FuzzTargets.Names];

    [Theory]
    [MemberData(nameof(Names))]
    public void No_input_that_is_kept_is_a_find(string name)
    {
        using FuzzTarget target = FuzzTargets.Make(name)!;
        IReadOnlyList<string> files = Corpus.FilesOf(name);
        Assert.True(files.Count >= 10, $"{name} has {files.Count} inputs in {Corpus.FolderOf(name)}: write its seeds there");
        foreach (string file in files)
        {
            long began = Environment.TickCount64;
            Exception? find = Record.Exception(() => target.Run(File.ReadAllBytes(file)));
            Assert.True(find is null, $"{file}: {find}");
            Assert.True(Environment.TickCount64 - began < s_longest.TotalMilliseconds, $"{file} took {Environment.TickCount64 - began} ms");
        }
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void The_seeds_of_a_target_are_no_finds(string name)
    {
        using FuzzTarget target = FuzzTargets.Make(name)!;
        foreach ((string seed, byte[] bytes) in target.Seeds())
        {
            Exception? find = Record.Exception(() => target.Run(bytes));
            Assert.True(find is null, $"{name}/{seed}: {find}");
        }
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void An_input_may_be_anything(string name)
    {
        using FuzzTarget target = FuzzTargets.Make(name)!;
        target.Run([]);
        var random = new Random(8);
        for (int i = 0; i < 200; i++)
        {
            byte[] bytes = new byte[random.Next(400)];
            random.NextBytes(bytes);
            Exception? find = Record.Exception(() => target.Run(bytes));
            Assert.True(find is null, $"{name}, {Convert.ToHexString(bytes)}: {find}");
        }
    }

    [Fact]
    public void A_target_that_there_is_not_is_none() => Assert.Null(FuzzTargets.Make("frames"));
}
