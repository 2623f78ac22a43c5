namespace ClusterMesh.Datapath.Forwarder.Tests;

public sealed class QuietCollectorTests
{
    private const long Mega = 1 << 20;

    [Theory]
    [InlineData(40, 40, true, false)]
    [InlineData(42, 40, true, false)]
    [InlineData(43, 40, true, true)]
    [InlineData(168, 40, false, false)]
    [InlineData(169, 40, false, true)]
    [InlineData(700, 400, false, false)]
    [InlineData(801, 400, false, true)]
    public void Collects_when_nobody_waits_or_too_much_has_grown(long heap, long alive, bool isQuiet, bool expected) =>
        Assert.Equal(expected, QuietCollector.IsDue(heap * Mega, alive * Mega, isQuiet));

    /// <summary>Slow growth is taken back where that is short and seldom; a large change is not, for what it brought may be alive and take long.</summary>
    [Theory]
    [InlineData(42, 40, 2, 20, false)]
    [InlineData(43, 40, 2, 20, true)]
    [InlineData(43, 40, 2, 19, false)]
    [InlineData(72, 40, 10, 100, true)]
    [InlineData(73, 40, 2, 100, false)]
    [InlineData(49, 40, 11, 1_000, false)]
    [InlineData(169, 40, 11, 0, true)]
    public void Collects_under_traffic_when_it_is_short_and_seldom(long heap, long alive, int pause, int since, bool expected) => Assert.Equal(
        expected, QuietCollector.IsDue(heap * Mega, alive * Mega, isQuiet: false, TimeSpan.FromMilliseconds(pause), TimeSpan.FromSeconds(since)));
}
