using ClusterMesh.Datapath.Io.Native;
using ClusterMesh.Datapath.Pipeline;
using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.Io.Tests;

/// <summary>Workers of one process that hand frames over to each other; here all of them belong to the test's thread.</summary>
public sealed class WorkerLinksTests : IDisposable
{
    private const int Port = 3;
    private const int RoundCount = 200;

    private readonly FrameBuffers[] _buffers = [.. Enumerable.Range(0, 3).Select(_ => new FrameBuffers())];
    private readonly DatapathCounters[] _counters = [.. Enumerable.Range(0, 3).Select(_ => new DatapathCounters())];
    private readonly EventCounter[] _wakes = [.. Enumerable.Range(0, 3).Select(_ => new EventCounter())];
    private readonly WorkerLinks[] _links = new WorkerLinks[3];
    private readonly Burst[] _bursts;

    public WorkerLinksTests()
    {
        _bursts = [.. _buffers.Select(b => new Burst(b))];
        WorkerLinks.Connect([.. _buffers.Select((b, i) => (b, _counters[i], new WorkerBed(_wakes[i])))], (i, links) => _links[i] = links);
        Array.ForEach(_links, l => l.Ports = new Port?[Port + 1]);
        Array.ForEach(_links, l => l.Ports[Port] = new Port(Port, "p", PortKind.Uplink, default, default, [], 1500));
    }

    public static TheoryData<EngineKind> Kinds => new(EngineKind.Ring, EngineKind.Readiness);

    public void Dispose()
    {
        Array.ForEach(_buffers, b => b.Dispose());
        Array.ForEach(_wakes, w => w.Dispose());
    }

    [Fact]
    public void Frames_of_every_length_cross_in_order_with_what_rides_along()
    {
        int[] free = [.. _buffers.Select(b => b.FreeCount)];
        for (int number = 0; number < 3_000; number += 30)
        {
            for (int i = 0; i < 30; i++)
            {
                Assert.True(_links[0].HandOver(Make(0, 1, number + i)));
                Assert.True(_links[1].HandOver(Make(1, 0, 10_000 + number + i)));
            }

            Assert.Equal(Enumerable.Range(number, 30), Take(1));
            Assert.Equal(Enumerable.Range(10_000 + number, 30), Take(0));
        }

        Take(0);
        Take(1);
        Assert.Equal(free, _buffers.Select(b => b.FreeCount));
        Assert.Equal([3_000UL, 3_000UL, 0UL], _counters.Select(c => c.HandedOverPackets));
        Assert.All(_counters, c => Assert.Equal(0UL, c.DroppedPackets));
    }

    [Fact]
    public void What_was_borrowed_is_copied_when_it_goes_on()
    {
        int[] free = [.. _buffers.Select(b => b.FreeCount)];
        Assert.True(_links[0].HandOver(Make(0, 1, 5)));
        _links[1].Exchange(_bursts[1]);
        BurstFrame borrowed = Assert.Single(_bursts[1].Frames.ToArray());
        Assert.True(WorkerLinks.IsBorrowed(borrowed.Buffer));
        Assert.False(_links[1].HandOver(borrowed with { Note = borrowed.Note with { Worker = 2 } }));
        _links[1].GiveBack(borrowed.Buffer);
        _bursts[1].Clear();
        Assert.Equal([5], Take(2));
        Take(1);
        Take(0);
        Assert.Equal(free, _buffers.Select(b => b.FreeCount));
    }

    [Fact]
    public void A_worker_that_takes_nothing_gets_so_many_frames_and_the_rest_is_dropped_and_counted()
    {
        for (int i = 0; i < HandoverPath.MaxLentCount; i++)
        {
            Assert.True(_links[0].HandOver(Make(0, 1, i)));
        }

        BurstFrame tooMany = Make(0, 1, 9_999);
        Assert.False(_links[0].HandOver(tooMany));
        _buffers[0].Return(tooMany.Buffer);
        Assert.Equal((1UL, (ulong)tooMany.Length), (_counters[0].DropPackets(DropReason.WorkerBusy), _counters[0].RxBytes(Port)));

        // Another worker is none of its concern.
        Assert.True(_links[0].HandOver(Make(0, 2, 7)));
        Assert.Equal([7], Take(2));
        List<int> taken = [];
        while (taken.Count < HandoverPath.MaxLentCount)
        {
            taken.AddRange(Take(1));
        }

        Assert.Equal(Enumerable.Range(0, HandoverPath.MaxLentCount), taken);
        Take(0);
        Assert.True(_links[0].HandOver(Make(0, 1, 1)));
        Assert.Equal([1], Take(1));
    }

    [Fact]
    public void Two_who_hand_over_more_than_there_is_room_for_share_it_and_leave_half_a_burst_to_the_ports()
    {
        for (int i = 0; i < 200; i++)
        {
            _links[0].HandOver(Make(0, 2, i));
            _links[1].HandOver(Make(1, 2, 1_000 + i));
        }

        List<int> taken = [];
        for (int i = 0; i < 4; i++)
        {
            List<int> burst = Take(2);
            Assert.Equal(Burst.MaxCount / 2, burst.Count);
            taken.AddRange(burst);
        }

        Assert.Equal(64, taken.Count(n => n < 1_000));
    }

    [Fact]
    public void A_frame_of_a_port_that_has_gone_is_given_back()
    {
        int free = _buffers[0].FreeCount;
        _links[0].HandOver(Make(0, 1, 5));
        _links[1].Ports = new Port?[2];
        Assert.Empty(Take(1));
        Take(0);
        Assert.Equal(free, _buffers[0].FreeCount);
    }

    [Fact]
    public void Nobody_sleeps_over_what_has_come()
    {
        Assert.True(_links[1].FallAsleep());
        _links[1].WakeUp();
        _links[0].HandOver(Make(0, 1, 5));
        Assert.False(_links[1].FallAsleep());
        _links[1].WakeUp();
        Take(1);
        Assert.True(_links[1].FallAsleep());
        _links[1].WakeUp();
        _links[0].Tell([new NeighborNews(IpAddress.Parse("172.18.0.1"), default, true, false)]);
        Assert.False(_links[1].FallAsleep());
        Assert.False(_links[2].FallAsleep());
        Assert.True(_links[0].FallAsleep());

        // Without buffers it wants to know of those that come back.
        _links[0].WakeUp();
        Take(0);
        while (_buffers[0].FreeCount > 0)
        {
            _links[0].HandOver(Make(0, _buffers[0].FreeCount % 2 == 0 ? 1 : 2, 1));
        }

        Assert.True(_links[0].FallAsleep());
        _links[0].WakeUp();
        Take(1);
        Assert.False(_links[0].FallAsleep());
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public void A_sleeping_engine_is_woken_by_news(EngineKind kind)
    {
        using PortEngine left = PortEngine.Open(kind, _counters[0]);
        using PortEngine right = PortEngine.Open(kind, _counters[1]);
        PortEngine.Connect([left, right]);
        left.Start();
        using var taken = new SemaphoreSlim(0);
        var spin = new SpinPolicy(0);
        var sleeper = new Thread(() =>
        {
            right.Start();
            for (int i = 1; i <= RoundCount; i++)
            {
                NeighborNews news;
                while (!right.Siblings!.TryTakeNews(out news))
                {
                    right.Receive(60_000, new SpinPolicy(0));
                }

                Assert.Equal(NewsOf(i), news);
                taken.Release();
            }
        })
        {
            IsBackground = true,
        };
        sleeper.Start();
        for (int i = 1; i <= RoundCount; i++)
        {
            left.Siblings!.Tell([NewsOf(i)]);
            left.Receive(0, spin); // Wakes those who sleep over it.
            Assert.True(taken.Wait(TimeSpan.FromSeconds(20), TestContext.Current.CancellationToken), $"round {i} was slept over");
        }

        sleeper.Join();
    }

    private static NeighborNews NewsOf(int number) => new(new IpAddress(1, (ulong)number), default, true, false);

    private static byte[] Bytes(int number)
    {
        byte[] bytes = new byte[64 + (number * 7_919 % 65_400)];
        bytes.AsSpan().Fill((byte)number);
        BitConverter.TryWriteBytes(bytes, number);
        return bytes;
    }

    private static VirtioNetHeader OffloadOf(int number) => new(VirtioNetFlags.NeedsChecksum, VirtioGsoType.Tcp4, 54, (ushort)number, 34, 16);

    private static SteeringNote NoteOf(int to, int number) => new(SteeringStep.Second, (byte)to, true, (ushort)number, 53);

    private BurstFrame Make(int from, int to, int number)
    {
        byte[] bytes = Bytes(number);
        int buffer = _buffers[from].Take();
        bytes.CopyTo(_buffers[from].BufferOf(buffer)[PacketContext.Headroom..]);
        return new BurstFrame
        {
            Buffer = buffer,
            Start = PacketContext.Headroom,
            Length = bytes.Length,
            IngressPort = Port,
            Offload = OffloadOf(number),
            Verdict = Verdict.HandedOver,
            Note = NoteOf(to, number),
        };
    }

    /// <summary>The numbers of the frames that wait for a worker, each of which is whole and has its header and its note; then their buffers are given back.</summary>
    private List<int> Take(int worker)
    {
        List<int> numbers = [];
        _bursts[worker].Clear();
        _links[worker].Exchange(_bursts[worker]);
        foreach (ref readonly BurstFrame frame in _bursts[worker].Frames)
        {
            ReadOnlySpan<byte> bytes = _buffers[worker].BufferOf(frame.Buffer).Slice(frame.Start, frame.Length);
            int number = BitConverter.ToInt32(bytes);
            Assert.True(bytes.SequenceEqual(Bytes(number)), $"frame {number} came changed");
            Assert.Equal((OffloadOf(number), NoteOf(worker, number), Verdict.Continue), (frame.Offload, frame.Note, frame.Verdict));
            numbers.Add(number);
            _links[worker].GiveBack(frame.Buffer);
        }

        return numbers;
    }
}
