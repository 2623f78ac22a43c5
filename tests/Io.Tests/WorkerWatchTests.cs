using System.Collections.Concurrent;
using ClusterMesh.Datapath.Pipeline;

namespace ClusterMesh.Datapath.Io.Tests;

public sealed class WorkerWatchTests
{
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(20);

    [Fact]
    public void A_worker_that_does_not_turn_is_told_once_and_once_when_it_does_again()
    {
        var live = new LiveTables(1024, 1024, seed: 1);
        using var worker = new Worker(live, WorkerTests.Empty(), PortEngine.Open(EngineKind.Automatic, live.Counters), new SpinPolicy(0), e => Assert.Fail(e.ToString()));
        worker.Start();
        using var told = new BlockingCollection<string>();
        using var looks = new BlockingCollection<bool>();
        using var watch = new WorkerWatch(
            [worker], WorkerWatch.ShortestLimit, (w, silence) => told.Add($"{w.Name} stuck"), (w, silence) => told.Add($"{w.Name} over"), looks.Add);

        // Idle for longer than the limit: it turns by itself.
        for (int i = 0; i < 12; i++)
        {
            Assert.True(looks.TryTake(out bool isWell, s_patience) && isWell);
        }

        Assert.Empty(told);
        Assert.Equal(0, worker.Pulse!.StuckCount);
        using var release = new ManualResetEventSlim();
        var asker = new Thread(() => worker.Invoke(release.Wait)) { IsBackground = true };
        asker.Start();
        Assert.True(told.TryTake(out string? first, s_patience));
        Assert.Equal("worker-0 stuck", first);
        while (looks.TryTake(out bool isWell, s_patience) && isWell)
        {
            // What was seen before.
        }

        Assert.True(looks.TryTake(out bool isStillWell, s_patience) && !isStillWell);
        Assert.True(worker.Pulse.StuckMilliseconds >= WorkerWatch.ShortestLimit.TotalMilliseconds);
        Assert.Contains("sleeps (S)", KernelThread.Describe(worker.ThreadId));
        release.Set();
        Assert.True(told.TryTake(out string? second, s_patience));
        Assert.Equal("worker-0 over", second);
        asker.Join();
        Assert.Empty(told);
        Assert.Equal((1, 0), (worker.Pulse.StuckCount, worker.Pulse.StuckMilliseconds));
    }

    [Fact]
    public void A_worker_that_has_ended_is_not_stuck()
    {
        var live = new LiveTables(1024, 1024, seed: 1);
        using var worker = new Worker(live, WorkerTests.Empty(), PortEngine.Open(EngineKind.Automatic, live.Counters), new SpinPolicy(0), e => Assert.Fail(e.ToString()));
        worker.Start();
        worker.Stop();
        using var looks = new BlockingCollection<bool>();
        using var watch = new WorkerWatch([worker], WorkerWatch.ShortestLimit, (_, _) => Assert.Fail("stuck"), (_, _) => Assert.Fail("over"), looks.Add);
        for (int i = 0; i < 12; i++)
        {
            Assert.True(looks.TryTake(out bool isWell, s_patience) && isWell);
        }
    }

    [Fact]
    public void A_limit_that_idle_workers_would_miss_is_refused() =>
        Assert.Throws<ArgumentOutOfRangeException>(() => new WorkerWatch([], TimeSpan.FromSeconds(1), (_, _) => { }, (_, _) => { }, _ => { }));
}
