namespace ClusterMesh.Datapath.Io.Tests;

public sealed class TimeNamespaceTests
{
    [Theory]
    [InlineData("monotonic           0         0\nboottime            0         0", 0, 0)]
    [InlineData("monotonic       10000         0\nboottime        20000         5", 10_000_000_000_000, 20_000_000_000_005)]
    [InlineData("monotonic         -11 500000000\nboottime            0         0", -10_500_000_000, 0)] // nanoseconds count forward
    [InlineData("1 3 0\nmonotonic\nmonotonic x 0\nboottime 7 0", 0, 7_000_000_000)]
    [InlineData("", 0, 0)]
    public void Offsets_are_those_that_the_kernel_tells(string file, long monotonic, long boot) =>
        Assert.Equal((monotonic, boot), TimeNamespace.Parse(file.Split('\n')));

    [Fact]
    public void A_process_that_runs_is_told_from_one_that_has_its_number()
    {
        ulong start = ProcessIdentity.StartOf(Environment.ProcessId);
        Assert.True(ProcessIdentity.IsRunning(Environment.ProcessId, start));
        Assert.True(ProcessIdentity.IsRunning(Environment.ProcessId, start + 1));
        Assert.False(ProcessIdentity.IsRunning(Environment.ProcessId, start - 2));
        Assert.False(ProcessIdentity.IsRunning(int.MaxValue, start));
    }
}
