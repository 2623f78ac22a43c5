using System.Diagnostics;
using ClusterMesh.Datapath.Pipeline;

namespace ClusterMesh.Datapath.Io.Tests;

/// <summary>What both engines promise.</summary>
public sealed class PortEngineTests
{
    public static TheoryData<EngineKind, int> Engines => new()
    {
        { EngineKind.Ring, 0 },
        { EngineKind.Readiness, 0 },
        { EngineKind.Ring, 1_000 },
        { EngineKind.Readiness, 1_000 },
    };

    [Theory]
    [MemberData(nameof(Engines))]
    public void Frames_pass_whole_and_in_order_however_many_wait(EngineKind kind, int spin)
    {
        using EngineWorld world = World(kind, spin);
        int left = world.AddPort();
        int right = world.AddPort();
        var random = new Random(7);
        int number = 0;
        for (int round = 0; round < 100; round++)
        {
            int count = 1 + random.Next(round % 10 == 0 ? 400 : 20);
            world.Send(left, number, count);
            world.PassAll(count, _ => right);
            Assert.Equal(Enumerable.Range(number, count), world.ReadSent(right));
            number += count;
        }

        Assert.Equal((ulong)number, world.Counters.TxPackets(right));
        Assert.Equal(0UL, world.Counters.DroppedPackets);
    }

    [Theory]
    [MemberData(nameof(Engines))]
    public void A_flood_on_one_port_does_not_hold_up_another(EngineKind kind, int spin)
    {
        using EngineWorld world = World(kind, spin);
        int flooded = world.AddPort();
        int quiet = world.AddPort();
        world.Send(flooded, 0, 900);
        world.Send(quiet, 5_000, 1);
        List<(int Port, int Number)> passed = world.PassAll(901, _ => -1);
        int place = passed.FindIndex(p => p.Port == quiet);
        Assert.True(place <= 2 * Burst.MaxCount, $"the quiet port's frame came at place {place}");
        Assert.Equal(Enumerable.Range(0, 900), passed.Where(p => p.Port == flooded).Select(p => p.Number));
    }

    [Theory]
    [MemberData(nameof(Engines))]
    public void Two_directions_at_once_lose_nothing(EngineKind kind, int spin)
    {
        using EngineWorld world = World(kind, spin);
        int left = world.AddPort();
        int right = world.AddPort();
        for (int round = 0; round < 50; round++)
        {
            world.Send(left, 1_000 * round, 30);
            world.Send(right, 100_000 + (1_000 * round), 17);
            world.PassAll(47, port => port == left ? right : left);
            Assert.Equal(Enumerable.Range(1_000 * round, 30), world.ReadSent(right));
            Assert.Equal(Enumerable.Range(100_000 + (1_000 * round), 17), world.ReadSent(left));
        }
    }

    [Theory]
    [MemberData(nameof(Engines))]
    public void A_detached_port_leaves_no_frame_and_no_buffer_behind(EngineKind kind, int spin)
    {
        using EngineWorld world = World(kind, spin);
        int left = world.AddPort();
        int right = world.AddPort();
        world.Settle();
        int free = world.Engine.FreeBufferCount;
        for (int round = 0; round < 20; round++)
        {
            // More than one burst waits, and half of it has been taken, when the port goes.
            world.Send(left, 10_000 + (200 * round), 150);
            world.Pass(_ => right);
            world.Engine.Detach(left)!.Dispose();
            Assert.Null(world.Engine.Served(left));
            Assert.Empty(world.Pass(_ => right, timeoutMilliseconds: 0));

            world.Serve(left);
            world.Send(left, round, 1);
            Assert.Equal([(left, round)], world.PassAll(1, _ => right));
            Assert.Equal(round, world.ReadSent(right)[^1]);
        }

        world.Settle();
        Assert.Equal(free, world.Engine.FreeBufferCount);
    }

    [Theory]
    [MemberData(nameof(Engines))]
    public void A_deleted_device_is_reported_once_and_the_others_go_on(EngineKind kind, int spin)
    {
        using EngineWorld world = World(kind, spin);
        int left = world.AddPort();
        int right = world.AddPort();
        world.Settle();
        world.Namespace.Ip($"link del port{left}");
        world.Pass(_ => -1);
        Assert.True(world.Engine.TryTakeGone(out int gone));
        Assert.Equal(left, gone);
        world.Engine.Detach(left)!.Dispose();

        world.Send(right, 1, 1);
        world.PassAll(1, _ => left);
        Assert.False(world.Engine.TryTakeGone(out _));
        Assert.Equal(1UL, world.Counters.DropPackets(DropReason.EgressRefused));
    }

    [Theory]
    [MemberData(nameof(Engines))]
    public void What_a_port_refuses_is_counted_and_its_buffer_comes_back(EngineKind kind, int spin)
    {
        using EngineWorld world = World(kind, spin);
        int left = world.AddPort();
        int right = world.AddPort();
        world.Settle();
        int free = world.Engine.FreeBufferCount;
        world.Namespace.Ip($"link set port{right} down");
        world.Send(left, 0, 10);
        world.PassAll(10, _ => right);
        Assert.Equal(10UL, world.Counters.DropPackets(DropReason.EgressRefused));
        Assert.Equal((ulong)Enumerable.Range(0, 10).Sum(n => EngineWorld.Frame(n).Length - 10), world.Counters.DropBytes(DropReason.EgressRefused));

        world.Namespace.Ip($"link set port{right} up");
        world.Send(left, 10, 1);
        world.PassAll(1, _ => right);
        Assert.Equal([10], world.ReadSent(right));
        Assert.Equal(free, world.Engine.FreeBufferCount);
    }

    [Theory]
    [MemberData(nameof(Engines))]
    public void A_frame_beside_the_burst_leaves_behind_what_was_completed_before(EngineKind kind, int spin)
    {
        using EngineWorld world = World(kind, spin);
        int left = world.AddPort();
        int right = world.AddPort();
        world.Send(left, 0, 5);
        int count = 0;
        while (count < 5)
        {
            count += world.Pass(_ => right).Count;
        }

        world.Engine.Transmit(right, EngineWorld.Frame(77));
        Assert.Equal([0, 1, 2, 3, 4, 77], world.ReadSent(right));
    }

    [Theory]
    [MemberData(nameof(Engines))]
    public void A_wake_ends_the_wait_whenever_it_comes(EngineKind kind, int spin)
    {
        using EngineWorld world = World(kind, spin);
        world.AddPort();
        world.Settle();
        long start = Stopwatch.GetTimestamp();
        for (int i = 0; i < 100; i++)
        {
            world.Engine.Wake();
            world.Engine.Receive(60_000, world.Spin);
            var waker = new Thread(world.Engine.Wake);
            waker.Start();
            world.Engine.Receive(60_000, world.Spin);
            waker.Join();
        }

        Assert.True(Stopwatch.GetElapsedTime(start) < TimeSpan.FromSeconds(30));
    }

    [Theory]
    [MemberData(nameof(Engines))]
    public void Forwarding_costs_no_memory(EngineKind kind, int spin)
    {
        using EngineWorld world = World(kind, spin);
        int left = world.AddPort();
        int right = world.AddPort();
        Forward(2_000);
        long allocated = 0;
        for (int i = 0; i < 20; i++)
        {
            world.Send(left, 0, 50);
            long own = GC.GetAllocatedBytesForCurrentThread();
            ForwardWaiting();
            allocated += GC.GetAllocatedBytesForCurrentThread() - own;
        }

        Assert.Equal(0, allocated);

        void Forward(int count)
        {
            for (int i = 0; i < count; i += 50)
            {
                world.Send(left, 0, 50);
                ForwardWaiting();
            }
        }

        void ForwardWaiting()
        {
            for (int received = 0; received < 50;)
            {
                world.Engine.Receive(1_000, world.Spin);
                foreach (ref BurstFrame frame in world.Engine.Burst.Frames)
                {
                    received++;
                    frame.Verdict = Verdict.Transmit;
                    frame.EgressPort = right;
                    world.Engine.Complete(frame);
                }
            }
        }
    }

    /// <summary>What the gate for new flows is told: a port is behind while more comes than is taken, not while one frame after the other does.</summary>
    [Theory]
    [MemberData(nameof(Engines))]
    public void A_port_that_does_not_run_dry_is_behind(EngineKind kind, int spin)
    {
        using EngineWorld world = World(kind, spin);
        var gate = new NewFlowGate(1);
        world.Engine.NewFlows = gate;
        int flooded = world.AddPort();
        int quiet = world.AddPort();
        for (int i = 0; i < 5_000; i++)
        {
            world.Send(quiet, i, 1);
            world.PassAll(1, _ => -1);
        }

        Assert.False(gate.IsClosed(quiet));
        int sent = 600;
        world.Send(flooded, 0, sent);
        int taken = 0;
        while (!gate.IsClosed(flooded))
        {
            Assert.True(taken < 20_000, "more and more frames wait, and nobody says so");
            int count = world.Pass(_ => -1).Count;
            taken += count;
            world.Send(flooded, sent, count);
            sent += count;
        }

        Assert.False(gate.IsClosed(quiet));
        world.PassAll(sent - taken, _ => -1);
        world.Send(flooded, 0, 1);
        world.PassAll(1, _ => -1);
        Assert.False(gate.IsClosed(flooded));
    }

    private static EngineWorld World(EngineKind kind, int spin) => new(kind) { Spin = new SpinPolicy(spin) };
}
