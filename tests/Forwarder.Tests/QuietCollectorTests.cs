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

    /// <summary>Slow growth is taken back at once where that is short; a large change is not, for what it brought may be alive and take long.</summary>
    [Theory]
    [InlineData(48, 40, 2, false)]
    [InlineData(49, 40, 2, true)]
    [InlineData(56, 40, 5, true)]
    [InlineData(57, 40, 2, false)]
    [InlineData(49, 40, 6, false)]
    [InlineData(169, 40, 2, true)]
    public void Collects_under_traffic_when_it_is_short_and_little_has_come(long heap, long alive, int milliseconds, bool expected) =>
        Assert.Equal(expected, QuietCollector.IsDue(heap * Mega, alive * Mega, isQuiet: false, TimeSpan.FromMilliseconds(milliseconds)));
}
