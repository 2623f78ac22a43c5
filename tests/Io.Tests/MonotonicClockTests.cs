namespace ClusterMesh.Datapath.Io.Tests;

public sealed class MonotonicClockTests
{
    [Fact]
    public void Time_is_counted_in_nanoseconds_and_never_steps_back()
    {
        long start = MonotonicClock.Nanoseconds;
        long startMilliseconds = Environment.TickCount64;
        long last = start;
        while (Environment.TickCount64 < startMilliseconds + 50)
        {
            long now = MonotonicClock.Nanoseconds;
            Assert.True(now >= last);
            last = now;
        }

        Assert.InRange(last - start, 25_000_000, 5_000_000_000);
    }
}
