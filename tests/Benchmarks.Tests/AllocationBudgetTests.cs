using ClusterMesh.Datapath.Benchmarks.Micro;

namespace ClusterMesh.Datapath.Benchmarks.Tests;

/// <summary>What is measured allocates nothing: the budget of every benchmark is 0 bytes. Not timed; smaller tables than the figures'.</summary>
[Collection(nameof(AllocationBudgetTests))]
[CollectionDefinition(nameof(AllocationBudgetTests), DisableParallelization = true)]
public sealed class AllocationBudgetTests
{
    /// <summary>A million becomes 20,000.</summary>
    private const int Share = 50;

    /// <summary>Until the tiers of the compiler have settled: 260,000 operations.</summary>
    private const int WarmUpCount = 4;

    private static readonly IReadOnlyList<MicroCase> s_cases = MicroCases.All(Share);

    public static TheoryData<string> Names => [.. s_cases.Select(c => c.Name)];

    [Theory]
    [MemberData(nameof(Names))]
    public void Nothing_is_allocated(string name)
    {
        Func<long> work = s_cases.Single(c => c.Name == name).Prepare();
        for (int i = 0; i < WarmUpCount; i++)
        {
            work();
        }

        long before = GC.GetAllocatedBytesForCurrentThread();
        long sum = work();
        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);
        Assert.True(sum > 0, $"{sum}: nothing was found");
    }
}
