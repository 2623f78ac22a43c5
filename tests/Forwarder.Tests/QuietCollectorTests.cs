namespace ClusterMesh.Datapath.Forwarder.Tests;

public sealed class QuietCollectorTests
{
    private const long Mega = 1 << 20;

    [Theory]
    [InlineData(40, 40, true, false)]
    [InlineData(49, 40, true, true)]
    [InlineData(49, 40, false, false)]
    [InlineData(169, 40, false, true)]
    [InlineData(700, 400, false, false)]
    [InlineData(801, 400, false, true)]
    public void Collects_when_nobody_waits_or_too_much_has_grown(long heap, long alive, bool isQuiet, bool expected) =>
        Assert.Equal(expected, QuietCollector.IsDue(heap * Mega, alive * Mega, isQuiet));
}
