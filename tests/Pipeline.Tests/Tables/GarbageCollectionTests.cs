using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.Pipeline.Tests.Tables;

/// <summary>When the flow tables are swept: Cilium's adaptive interval, to the second, and at once when room runs short.</summary>
public sealed class GarbageCollectionTests
{
    private const int Capacity = 1000;
    private const uint Start = 1000;

    private readonly ConntrackTable _conntrack = new(Capacity, seed: 1);
    private readonly SnatTable _snat = new(Capacity, seed: 2);
    private readonly GarbageCollection _garbage;
    private uint _now = Start;
    private int _next;

    public GarbageCollectionTests()
    {
        _garbage = new GarbageCollection(_conntrack, _snat);
        _garbage.Step(MonoTime.FromSeconds(_now));
    }

    [Theory]
    [InlineData(0, 300)] // nothing was dead: as it was
    [InlineData(4, 450)] // fewer than 5 of 100: half as long again
    [InlineData(5, 300)]
    [InlineData(25, 300)]
    [InlineData(26, 222)] // more than 25: shorter by their part
    [InlineData(50, 150)]
    [InlineData(100, 30)] // nine tenths at most
    public void The_pause_follows_what_a_round_has_found(int deadOf100, int seconds)
    {
        Fill(alive: 100 - deadOf100, dead: deadOf100);
        StepAt(Start + 299);
        Assert.Equal(100, _conntrack.Count);
        StepAt(Start + 300);
        Assert.Equal(100 - deadOf100, _conntrack.Count);
        Assert.Equal(seconds, _garbage.IntervalSeconds);
        Assert.Equal(1ul, _garbage.RunCount);
        Assert.Equal((ulong)deadOf100, _conntrack.ExpiredCount);

        // The next round begins that long after.
        Fill(alive: 1, dead: 1);
        StepAt(_now + (uint)seconds - 1);
        Assert.Equal(1ul, _garbage.RunCount);
        StepAt(_now + 1);
        Assert.Equal(2ul, _garbage.RunCount);
    }

    [Fact]
    public void The_pause_has_bounds()
    {
        for (int i = 0; i < 20; i++)
        {
            Fill(alive: 0, dead: 10);
            StepAt(_now + 1000);
        }

        Assert.Equal(10, _garbage.IntervalSeconds);
        Fill(alive: 700, dead: 0);
        for (int i = 0; i < 40; i++)
        {
            Fill(alive: 0, dead: 1);
            StepAt(_now + (12 * 3600));
        }

        Assert.Equal(12 * 3600, _garbage.IntervalSeconds);
    }

    [Fact]
    public void Tables_that_fill_up_are_swept_at_once()
    {
        Fill(alive: 10, dead: 741);
        StepAt(_now + 1);
        Assert.Equal(10, _conntrack.Count);
    }

    [Fact]
    public void An_entry_without_room_is_counted_and_brings_the_next_round()
    {
        Fill(alive: 0, dead: Capacity);
        Assert.Equal(-1, _conntrack.Create(Key()));
        Assert.Equal(1ul, _conntrack.FailureCount);
        StepAt(_now + 1);
        Assert.Equal(0, _conntrack.Count);
        Assert.True(_conntrack.Create(Key()) >= 0);
    }

    /// <summary>A round over tables longer than a slice is made in slices.</summary>
    [Fact]
    public void A_long_table_is_swept_in_slices()
    {
        var conntrack = new ConntrackTable(3000, seed: 1);
        var garbage = new GarbageCollection(conntrack, new SnatTable(10, seed: 2));
        garbage.Step(MonoTime.FromSeconds(1));
        for (int i = 0; i < 2500; i++)
        {
            conntrack.Create(Key());
        }

        int[] left = [1476, 452, 0];
        foreach (int count in left)
        {
            garbage.Step(MonoTime.FromSeconds(2));
            Assert.Equal(count, conntrack.Count);
        }
    }

    private void Fill(int alive, int dead)
    {
        for (int i = 0; i < alive + dead; i++)
        {
            _conntrack[_conntrack.Create(Key())].Expires = i < alive ? uint.MaxValue : _now;
        }
    }

    private FlowKey Key() => new(IpAddress.FromIpv4(0x0A00_0000), IpAddress.FromIpv4(0x0B00_0000 + (uint)_next++), 1, 2, IpProtocol.Udp);

    private void StepAt(uint second)
    {
        _now = second;
        _garbage.Step(MonoTime.FromSeconds(second));
    }
}
