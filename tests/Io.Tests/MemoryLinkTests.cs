using System.Net.Sockets;
using ClusterMesh.Datapath.Io.Native;
using ClusterMesh.Datapath.Pipeline;
using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.Io.Tests;

/// <summary>Two engines of one process that exchange frames through memory, over the handshake that forwarders use.</summary>
public sealed class MemoryLinkTests : IDisposable
{
    private const int Uplink = 3;
    private static readonly MacAddress s_leftMac = MacAddress.Parse("0a:00:00:00:01:01");
    private static readonly MacAddress s_rightMac = MacAddress.Parse("0a:00:00:00:01:02");

    private readonly DatapathCounters _leftCounters = new();
    private readonly DatapathCounters _rightCounters = new();
    private readonly List<IDisposable> _owned = [];
    private readonly SpinPolicy _spin = new(0);

    public static TheoryData<EngineKind> Kinds => new(EngineKind.Ring, EngineKind.Readiness);

    public void Dispose() => _owned.ForEach(o => o.Dispose());

    [Theory]
    [MemberData(nameof(Kinds))]
    public void Frames_of_every_length_cross_in_order_and_their_buffers_come_back(EngineKind kind)
    {
        (PortEngine left, PortEngine right, _, _) = Linked(kind);
        int leftFree = left.FreeBufferCount;
        int rightFree = right.FreeBufferCount;
        for (int number = 0; number < 3_000; number += 30)
        {
            for (int i = 0; i < 30; i++)
            {
                left.Transmit(Uplink, Frame(s_rightMac, number + i));
                right.Transmit(Uplink, Frame(s_leftMac, 10_000 + number + i));
            }

            left.Receive(0, _spin); // Tells the peer.
            List<int> atLeft = Take(left);
            right.Receive(0, _spin);
            Assert.Equal(Enumerable.Range(number, 30), Take(right));
            left.Receive(0, _spin);
            atLeft.AddRange(Take(left));
            Assert.Equal(Enumerable.Range(10_000 + number, 30), atLeft);
        }

        right.Receive(0, _spin);
        left.Receive(0, _spin);
        Assert.Equal((leftFree, rightFree), (left.FreeBufferCount, right.FreeBufferCount));
        Assert.Equal((3_000UL, 3_000UL), (_leftCounters.TxPackets(Uplink), _rightCounters.TxPackets(Uplink)));
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public void A_peer_that_takes_nothing_gets_a_thousand_frames_and_the_rest_is_counted(EngineKind kind)
    {
        (PortEngine left, PortEngine right, _, _) = Linked(kind);
        for (int i = 0; i < 1_300; i++)
        {
            left.Transmit(Uplink, Frame(s_rightMac, i));
        }

        int sent = (int)_leftCounters.TxPackets(Uplink);
        Assert.Equal(MemoryLink.MaxLentCount, sent);
        Assert.Equal(1_300UL - (ulong)sent, _leftCounters.DropPackets(DropReason.EgressRefused));
        List<int> taken = [];
        while (taken.Count < sent)
        {
            right.Receive(0, _spin);
            taken.AddRange(Take(right));
        }

        Assert.Equal(Enumerable.Range(0, sent), taken);
        right.Receive(0, _spin);
        left.Receive(0, _spin);
        left.Transmit(Uplink, Frame(s_rightMac, 7_777));
        right.Receive(0, _spin);
        Assert.Equal([7_777], Take(right));
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public void What_was_borrowed_is_copied_when_it_goes_on_to_a_third(EngineKind kind)
    {
        (PortEngine left, PortEngine middle, _, _) = Linked(kind);
        (_, PortEngine right) = Link(middle, NewEngine(kind, new DatapathCounters()), s_leftMac, s_rightMac, number: 2);
        int free = left.FreeBufferCount;
        left.Transmit(Uplink, Frame(s_rightMac, 5));
        left.Receive(0, _spin);
        middle.Receive(0, _spin);
        BurstFrame frame = Assert.Single(middle.Burst.Frames.ToArray());

        // To the pipeline it came by the uplink; it leaves there again, for another station.
        Assert.Equal(Uplink, frame.IngressPort);
        TestMac(middle, frame, MacAddress.Parse("0a:00:00:00:01:03"));
        middle.Complete(frame with { Verdict = Verdict.Transmit, EgressPort = Uplink });
        middle.Receive(0, _spin);
        right.Receive(0, _spin);
        Assert.Equal([5], Take(right));
        left.Receive(0, _spin);
        Assert.Equal(free, left.FreeBufferCount);

        static void TestMac(PortEngine engine, BurstFrame frame, MacAddress mac) => mac.WriteTo(engine.Burst.BufferOf(frame.Buffer)[frame.Start..]);
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public void A_sleeper_is_woken(EngineKind kind)
    {
        (PortEngine left, PortEngine right, _, _) = Linked(kind);
        var answered = new List<int>();

        // Each engine belongs to the thread that started it: the right one to this thread, the left one's frames are sent by this thread too,
        // but only while the other sleeps, so that it takes the wake to get them.
        for (int i = 0; i < 200; i++)
        {
            left.Transmit(Uplink, Frame(s_rightMac, i));
            left.Receive(0, _spin);
            right.Receive(60_000, _spin);
            answered.AddRange(Take(right));
        }

        Assert.Equal(Enumerable.Range(0, 200), answered);
    }

    /// <summary>Of several workers the first has the links: it takes what the others want sent just before it sleeps, too.</summary>
    [Theory]
    [MemberData(nameof(Kinds))]
    public void A_sleeper_is_woken_for_a_frame_of_the_second_worker(EngineKind kind)
    {
        using PortEngine first = PortEngine.Open(kind, _leftCounters);
        using PortEngine second = PortEngine.Open(kind, new DatapathCounters());
        using PortEngine right = PortEngine.Open(kind, _rightCounters);
        PortEngine.Connect([first, second]);
        second.Start();
        Link(first, right, s_leftMac, s_rightMac, 1);
        second.SendByFirst([s_rightMac], Uplink);
        using var sent = new SemaphoreSlim(0);
        using var taken = new SemaphoreSlim(0);
        Thread receiver = Begin(right, () =>
        {
            for (int next = 0; next < 100;)
            {
                right.Receive(60_000, new SpinPolicy(0));
                foreach (int number in Take(right))
                {
                    Assert.Equal(next++, number);
                    taken.Release();
                }
            }
        });
        Thread sender = Begin(first, () =>
        {
            for (int i = 0; i < 100; i++)
            {
                sent.Wait();
                first.Receive(60_000, new SpinPolicy(0));
            }
        });
        for (int i = 0; i < 100; i++)
        {
            second.Transmit(Uplink, Frame(s_rightMac, i));
            second.Receive(0, _spin);
            sent.Release();
            Assert.True(taken.Wait(TimeSpan.FromSeconds(20), TestContext.Current.CancellationToken), $"frame {i} was slept over");
            first.Wake();
        }

        receiver.Join();
        sender.Join();
        Assert.Equal(100UL, _leftCounters.TxPackets(Uplink));

        static Thread Begin(PortEngine engine, Action work)
        {
            Thread thread = new(() =>
            {
                engine.Start();
                work();
            })
            {
                IsBackground = true,
            };
            thread.Start();
            return thread;
        }
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public void When_a_link_ends_the_buffers_come_back_and_frames_take_the_port(EngineKind kind)
    {
        (PortEngine left, PortEngine right, MemoryLink link, _) = Linked(kind);
        int free = left.FreeBufferCount;
        for (int i = 0; i < 40; i++)
        {
            left.Transmit(Uplink, Frame(s_rightMac, i));
        }

        right.Receive(0, _spin);
        Assert.Equal(32, right.Burst.Count);
        Take(right);
        left.DetachLink(link);
        Assert.Equal(free, left.FreeBufferCount);
        left.DetachLink(link);

        // No such port here: what goes there is refused and counted.
        left.Transmit(Uplink, Frame(s_rightMac, 1));
        Assert.Equal(1UL, _leftCounters.DropPackets(DropReason.EgressRefused));
    }

    [Fact]
    public void Numbers_that_no_honest_peer_writes_are_passed_over()
    {
        using FileDescriptor file = SharedFile.Create("test-rings", MemoryLink.RingsLength);
        using var honest = new MemoryLink(1, "east/a", s_leftMac, MappedMemory.OfFile(file, 0, MemoryLink.RingsLength), new EventCounter(), isFirst: true);
        using var liar = new MemoryLink(1, "west/a", s_rightMac, MappedMemory.OfFile(file, 0, MemoryLink.RingsLength), new EventCounter(), isFirst: false);
        liar.TrySend(0, 65_000, 2_000); // beyond the end of the buffer
        liar.TrySend(1, 100, 9); // less than a virtio header
        liar.TrySend(2, 100, 70);
        liar.TrySend(3, 0xFFFF, 0xFF_FFFF);
        Assert.True(honest.TryReceive(out int buffer, out int start, out int length));
        Assert.Equal((FrameBuffers.MostCount + 2, 100, 70), (buffer, start, length));
        Assert.False(honest.TryReceive(out _, out _, out _));

        // A buffer given back that was never lent, and one given back twice.
        liar.GiveBack(FrameBuffers.MostCount + 9);
        Assert.False(honest.TryTakeBack(out _));
        honest.TrySend(7, 100, 70);
        liar.GiveBack(FrameBuffers.MostCount + 7);
        liar.GiveBack(FrameBuffers.MostCount + 7);
        Assert.True(honest.TryTakeBack(out int back));
        Assert.Equal(7, back);
        Assert.False(honest.TryTakeBack(out _));
        Assert.Equal(0, honest.LentCount);
    }

    [Fact]
    public void Memory_that_could_shrink_is_refused()
    {
        using FileDescriptor sealedFile = SharedFile.Create("test", 8_192);
        Assert.True(SharedFile.IsSealed(sealedFile, 8_192));
        Assert.False(SharedFile.IsSealed(sealedFile, 8_193));
        SystemCalls.Open("/dev/null", 0, out FileDescriptor? other);
        using FileDescriptor file = other!;
        Assert.False(SharedFile.IsSealed(file, 0));
    }

    [Fact]
    public async Task Who_is_no_forwarder_gets_no_link()
    {
        PortEngine engine = NewEngine(EngineKind.Readiness, _leftCounters);
        (Socket ours, Socket theirs) = SocketPair();
        Task<bool> handshake = Task.Run(() => LinkHandshake.Run(ours, engine, "west/a", s_leftMac, isConnector: false, 1) is null);
        theirs.Send(new byte[1_000]);
        Assert.True(await handshake);
    }

    private static byte[] Frame(MacAddress destination, int number)
    {
        byte[] frame = new byte[VirtioNetHeader.Length + 64 + (number * 7_919 % 65_400)];
        default(VirtioNetHeader).WriteTo(frame);
        destination.WriteTo(frame.AsSpan(VirtioNetHeader.Length));
        BitConverter.TryWriteBytes(frame.AsSpan(VirtioNetHeader.Length + 14), number);
        frame.AsSpan(VirtioNetHeader.Length + 18).Fill((byte)number);
        return frame;
    }

    /// <summary>The numbers of the burst's frames, each of which is whole; then they are dropped.</summary>
    private static List<int> Take(PortEngine engine)
    {
        List<int> numbers = [];
        foreach (ref BurstFrame frame in engine.Burst.Frames)
        {
            ReadOnlySpan<byte> bytes = engine.Burst.BufferOf(frame.Buffer).Slice(frame.Start, frame.Length);
            int number = BitConverter.ToInt32(bytes[14..]);
            Assert.Equal(Uplink, frame.IngressPort);
            Assert.True(bytes[12..].SequenceEqual(Frame(default, number).AsSpan(VirtioNetHeader.Length + 12)), $"frame {number} came changed");
            numbers.Add(number);
            engine.Complete(frame with { Verdict = Verdict.Drop });
        }

        engine.Burst.Clear();
        return numbers;
    }

    private (PortEngine Left, PortEngine Right, MemoryLink AtLeft, MemoryLink AtRight) Linked(EngineKind kind)
    {
        PortEngine left = NewEngine(kind, _leftCounters);
        PortEngine right = NewEngine(kind, _rightCounters);
        (MemoryLink atLeft, _) = Link(left, right, s_leftMac, s_rightMac, 1);
        return (left, right, atLeft, null!);
    }

    private (MemoryLink AtLeft, PortEngine Right) Link(PortEngine left, PortEngine right, MacAddress leftMac, MacAddress rightMac, int number)
    {
        MacAddress mac = number == 1 ? rightMac : MacAddress.Parse("0a:00:00:00:01:03");
        (Socket one, Socket other) = SocketPair();
        Task<(MemoryLink Link, FileDescriptor PeerBuffers)?> accepting = Task.Run(() => LinkHandshake.Run(other, right, "west/b", mac, isConnector: false, 1));
        (MemoryLink atLeft, FileDescriptor rightBuffers) = LinkHandshake.Run(one, left, "west/a", leftMac, isConnector: true, number)!.Value;
        (MemoryLink atRight, FileDescriptor leftBuffers) = accepting.GetAwaiter().GetResult()!.Value;
        left.AttachLink(atLeft, rightBuffers, Uplink);
        right.AttachLink(atRight, leftBuffers, Uplink);
        rightBuffers.Dispose();
        leftBuffers.Dispose();
        return (atLeft, right);
    }

    private PortEngine NewEngine(EngineKind kind, DatapathCounters counters)
    {
        PortEngine engine = PortEngine.Open(kind, counters);
        engine.Start();
        _owned.Insert(0, engine);
        return engine;
    }

    private (Socket One, Socket Other) SocketPair()
    {
        string path = Path.Combine(Path.GetTempPath(), $"cmt-{Environment.ProcessId}-{Guid.NewGuid():N}");
        using var listener = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        listener.Bind(new UnixDomainSocketEndPoint(path));
        listener.Listen();
        var one = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        one.Connect(new UnixDomainSocketEndPoint(path));
        Socket other = listener.Accept();
        File.Delete(path);
        _owned.Add(one);
        _owned.Add(other);
        return (one, other);
    }
}
