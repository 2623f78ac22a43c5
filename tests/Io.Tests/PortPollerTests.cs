using System.Diagnostics;
using System.Runtime.InteropServices;
using System.Runtime.Versioning;
using ClusterMesh.Datapath.Pipeline;

namespace ClusterMesh.Datapath.Io.Tests;

public sealed class PortPollerTests : IDisposable
{
    private readonly TestNamespace _ns = new(withIpv6: false);
    private readonly List<TapPort> _ports = [];
    private readonly PortPoller _poller = new();
    private readonly byte[] _buffer = new byte[TapPort.LongestFrame];

    public void Dispose()
    {
        _poller.Dispose();
        _ports.ForEach(p => p.Dispose());
        _ns.Dispose();
    }

    [Fact]
    public void A_port_with_a_frame_is_reported_until_it_is_empty()
    {
        TapPort port = Create("tap0", 42);
        BroadcastFromNamespace("tap0");
        int[] ready = new int[8];
        Assert.Equal(1, _poller.Wait(ready, 5_000));
        Assert.Equal(42, ready[0]);
        Assert.Equal(1, _poller.Wait(ready, 0));
        Drain(port);
        Assert.Equal(0, _poller.Wait(ready, 0));
    }

    [Fact]
    public void A_removed_port_is_silent()
    {
        TapPort port = Create("tap0", 1);
        BroadcastFromNamespace("tap0");
        Assert.Equal(1, _poller.Wait(new int[2], 5_000));
        _poller.Remove(port);
        _poller.Remove(port);
        Assert.Equal(0, _poller.Wait(new int[2], 0));
    }

    [Fact]
    public void A_gone_device_is_reported_until_it_is_removed()
    {
        TapPort port = Create("tap0", 3);
        _ns.Ip("link del tap0");
        int[] ready = new int[2];
        for (int i = 0; i < 3; i++)
        {
            Assert.Equal(1, _poller.Wait(ready, 5_000));
            Assert.Equal(3, ready[0]);
            Assert.Equal(PortStatus.Gone, port.TryReceive(_buffer, out _));
        }

        _poller.Remove(port);
        Assert.Equal(0, _poller.Wait(ready, 0));
    }

    [Fact]
    public void A_device_that_goes_ends_a_wait()
    {
        TapPort port = Create("tap0", 3);
        using var deletion = new Timer(_ => _ns.Ip("link del tap0"), null, 100, Timeout.Infinite);
        int[] ready = new int[2];
        Assert.Equal(1, _poller.Wait(ready, 5_000));
        Assert.Equal(3, ready[0]);
        Assert.Equal(PortStatus.Gone, port.TryReceive(_buffer, out _));
    }

    [Fact]
    public void A_disposed_port_is_silent_and_may_still_be_removed()
    {
        TapPort port = Create("tap0", 3);
        port.Dispose();
        Assert.Equal(0, _poller.Wait(new int[2], 0));
        _poller.Remove(port);
        Assert.Throws<ObjectDisposedException>(() => _poller.Add(port, 3));
    }

    [Fact]
    public void Where_room_is_short_every_port_has_its_turn()
    {
        for (int i = 0; i < 5; i++)
        {
            Create($"tap{i}", i);
            BroadcastFromNamespace($"tap{i}");
        }

        var seen = new HashSet<int>();
        int[] ready = new int[2];
        for (int i = 0; i < 5; i++)
        {
            Assert.Equal(2, _poller.Wait(ready, 5_000));
            seen.UnionWith(ready);
        }

        Assert.Equal([0, 1, 2, 3, 4], seen.Order());
    }

    [Fact]
    public void Another_thread_ends_a_wait()
    {
        using var timer = new Timer(_ => _poller.Wake(), null, 100, Timeout.Infinite);
        Assert.Equal(0, _poller.Wait(new int[1], -1));
    }

    [Fact]
    public void A_wake_without_a_wait_ends_the_next_one_only()
    {
        _poller.Wake();
        _poller.Wake();
        long start = Stopwatch.GetTimestamp();
        Assert.Equal(0, _poller.Wait(new int[1], 60_000));
        Assert.True(Stopwatch.GetElapsedTime(start) < TimeSpan.FromSeconds(30), "the wake came before");
        start = Stopwatch.GetTimestamp();
        Assert.Equal(0, _poller.Wait(new int[1], 50));
        Assert.True(Stopwatch.GetElapsedTime(start) >= TimeSpan.FromMilliseconds(49), "both wakes were taken");
    }

    [Fact]
    public void A_wake_after_the_end_and_a_wait_without_room_are_told_apart()
    {
        Assert.Throws<ArgumentException>(() => _poller.Wait([], 0));
        _poller.Dispose();
        _poller.Wake();
        Assert.Throws<ObjectDisposedException>(() => _poller.Wait(new int[1], 0));
    }

    [Fact]
    [SupportedOSPlatform("linux")]
    public async Task A_signal_neither_ends_nor_lengthens_a_wait()
    {
        int signalCount = 0;
        using var registration = PosixSignalRegistration.Create(PosixSignal.SIGWINCH, c =>
        {
            c.Cancel = true;
            Interlocked.Increment(ref signalCount);
        });
        string? threadId = null;
        using var started = new ManualResetEventSlim();
        Task<(int ReadyCount, TimeSpan Waited)> wait = Task.Factory.StartNew(
            () =>
            {
                threadId = Path.GetFileName(new FileInfo("/proc/thread-self").LinkTarget);
                started.Set();
                long start = Stopwatch.GetTimestamp();
                return (_poller.Wait(new int[1], 1_000), Stopwatch.GetElapsedTime(start));
            },
            CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);
        started.Wait(TestContext.Current.CancellationToken);

        // To the thread itself: a signal to the process would go to another one. A wait that began anew each time would outlast them all.
        long begin = Stopwatch.GetTimestamp();
        while (!wait.IsCompleted && Stopwatch.GetElapsedTime(begin) < TimeSpan.FromSeconds(10))
        {
            Command.TryRun("kill", $"-WINCH {threadId}");
        }

        (int readyCount, TimeSpan waited) = await wait;
        Assert.Equal(0, readyCount);
        Assert.InRange(waited.TotalMilliseconds, 995, 9_000);
        Assert.True(Volatile.Read(ref signalCount) > 0, "no signal was delivered");
    }

    private TapPort Create(string name, int id)
    {
        TapPort port = TapDevice.Create(new TapSettings(name, _ns.Name, name, 1500) { Addresses = [new TapAddress(TestTap.Pod, 24)] });
        _ports.Add(port);
        _poller.Add(port, id);
        return port;
    }

    /// <summary>Makes the namespace send a frame into the TAP: an ARP request for an address nobody has.</summary>
    private void BroadcastFromNamespace(string name) =>
        Command.TryRun("ip", $"netns exec {_ns.Name} ping -n -c1 -W0.01 -I {name} 10.0.1.200");

    private void Drain(TapPort port)
    {
        while (port.TryReceive(_buffer, out _) == PortStatus.Done)
        {
            // what the namespace sent
        }
    }
}
