namespace ClusterMesh.Datapath.Agent.Tests;

public sealed class HeapKeeperTests
{
    private const long Mega = 1 << 20;

    [Theory]
    [InlineData(20, 18, 15, 30, true)]
    [InlineData(20, 18, 15, 29, false)]
    [InlineData(19, 18, 15, 300, false)]
    [InlineData(430, 400, 15, 300, false)]
    [InlineData(450, 400, 300, 300, true)]
    [InlineData(450, 400, 301, 300, false)]
    public void Collects_what_is_worth_it_and_seldom(long heap, long alive, int pause, int since, bool expected) =>
        Assert.Equal(expected, HeapKeeper.IsDue(heap * Mega, alive * Mega, TimeSpan.FromMilliseconds(pause), TimeSpan.FromSeconds(since)));
}
