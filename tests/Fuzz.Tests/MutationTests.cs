using ClusterMesh.Datapath.Fuzz.Mutation;

namespace ClusterMesh.Datapath.Fuzz.Tests;

/// <summary>The short form of <c>tests/fuzz.sh --mutate</c>: malformed texts and records end in a sentence or are accepted, and leave no memory behind.</summary>
public sealed class MutationTests
{
    private const int Count = 5_000;

    [Fact]
    public void Malformed_texts_and_records_do_no_harm()
    {
        var run = new MutationRun(Count, seed: 20261);
        run.Run();
        Assert.True(run.Finds.Count == 0, string.Join("\n\n", run.Finds.Take(3)));
        Assert.All(run.Results, r =>
        {
            // Neither all good nor all bad, or the mutations test nothing.
            Assert.InRange(r.Accepted, Count / 20, Count);
            Assert.InRange(r.Refused, Count / 5, Count);
        });
    }

    [Fact]
    public void The_same_seed_gives_the_same_inputs()
    {
        var first = new TextMutator(new Random(3));
        var second = new TextMutator(new Random(3));
        const string Text = "a: 1\nb: [x, y]\nc:\n- d: e\n";
        for (int i = 0; i < 100; i++)
        {
            Assert.Equal(first.Next(Text), second.Next(Text));
        }
    }
}
