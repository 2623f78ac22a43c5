using System.Buffers.Binary;
using ClusterMesh.Datapath.Testing;
using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.Pipeline.Tests.Scenarios;

/// <summary>Wires that lose, double, reorder and change frames on both sides of a node: what gets through is right, and flows are what they were.</summary>
public sealed class FaultyWireTests
{
    private const int MessageCount = 300;
    private const int MostRounds = 60;
    private const ushort ClientPort = 40000;
    private static readonly WireFaults s_all = new(Drop: 80, Duplicate: 80, Reorder: 120, Corrupt: 80, Delay: 30);

    public static TheoryData<Family, ulong> Seeds
    {
        get
        {
            var data = new TheoryData<Family, ulong>();
            for (ulong seed = 1; seed <= 10; seed++)
            {
                data.Add(Family.Ipv4, seed);
                data.Add(Family.Ipv6, seed);
            }

            return data;
        }
    }

    [Fact]
    public void The_wire_does_what_it_is_told_and_the_same_again_by_its_seed()
    {
        byte[][] sent = [.. Enumerable.Range(0, 4000).Select(i => BitConverter.GetBytes(i))];
        var wire = new FaultyWire(7, s_all);
        byte[][] got = [.. sent.SelectMany(wire.Pass), .. wire.Rest()];
        var twin = new FaultyWire(7, s_all);
        Assert.Equal(got, [.. sent.SelectMany(twin.Pass), .. twin.Rest()]);
        Assert.Equal(sent.Length - wire.DroppedCount + wire.DuplicatedCount, got.Length);
        Assert.All((int[])[wire.DroppedCount, wire.DuplicatedCount, wire.CorruptedCount], count => Assert.InRange(count, 200, 450));
        Assert.InRange(wire.OvertakenCount, 400, 900);
        Assert.All(sent.Index(), s => Assert.Equal(s.Index, BitConverter.ToInt32(s.Item)));
        var good = new FaultyWire(7, default);
        Assert.Equal(sent, sent.SelectMany(good.Pass));
    }

    /// <summary>A pod repeats each message until it has its answer, to a masqueraded server, by four bad wires.</summary>
    [Theory]
    [MemberData(nameof(Seeds))]
    public void A_masqueraded_transfer_by_bad_wires_ends_with_the_right_bytes(Family family, ulong seed)
    {
        var s = new Scenario(family);
        FaultyWire[] wires = [.. Enumerable.Range(0, 4).Select(i => new FaultyWire((seed * 10) + (ulong)i, s_all))];
        var atServer = new HashSet<int>();
        var answered = new HashSet<int>();
        var faces = new HashSet<ushort>();
        for (int round = 0; answered.Count < MessageCount; round++)
        {
            Assert.True(round < MostRounds, $"seed {seed}: {answered.Count} of {MessageCount} messages were answered");
            foreach (int message in Enumerable.Range(0, MessageCount).Where(m => !answered.Contains(m)))
            {
                TestPacket packet = TestPacket.Tcp(s.Mesh.CurlPod, ClientPort, s.Mesh.Outside, 80) with { Payload = Question(message) };
                IReadOnlyList<byte[]> left = Through(s.Node, TestNode.Curl, wires[0].Pass(s.Node.Arriving(TestNode.Curl, packet)), TestNode.Uplink, wires[1]);
                foreach (byte[] frame in left.Where(f => IsFor(f, s.Mesh.Outside)))
                {
                    Answer(s, frame, wires, atServer, answered, faces, seed);
                }
            }
        }

        Assert.Equal(MessageCount, atServer.Count);
        Assert.Single(faces);
        Assert.All(wires, w => Assert.True(w.CorruptedCount > 0 && w.DroppedCount > 0 && w.DuplicatedCount > 0 && w.OvertakenCount > 0, $"seed {seed}: a wire was too good"));
        FlowKey flow = ConntrackTable.Ordered(new FlowKey(s.Mesh.CurlPod, s.Mesh.Outside, ClientPort, 80, IpProtocol.Tcp), out _);
        Assert.Single(s.Node.AllLive, live => live.Conntrack.Find(flow, s.Node.Now) >= 0);
    }

    /// <summary>Datagrams in three pieces: those that have all of them behind the node are the datagrams that were sent, under one port.</summary>
    [Theory]
    [InlineData(FragmentMode.Follow)]
    [InlineData(FragmentMode.Hold)]
    public void Fragments_by_a_bad_wire_are_those_of_their_datagram(FragmentMode mode)
    {
        const int Count = 400;
        var s = new Scenario(Family.Ipv4, new TestNode(local: l => l with { Flows = l.Flows with { Fragments = mode } }));
        var wire = new FaultyWire(11, new WireFaults(Drop: 30, Duplicate: 80, Reorder: 200));
        var pieces = new Dictionary<ushort, SortedDictionary<int, byte[]>>();
        for (int i = 0; i < Count; i++)
        {
            TestPacket whole = TestPacket.Udp(s.Mesh.CurlPod, ClientPort, s.Mesh.Outside, 53) with { Id = (ushort)(i + 1), Payload = Question(i) };
            foreach (TestPacket piece in (TestPacket[])[whole.Fragment(0, 16), whole.Fragment(16, 16), whole.Fragment(32, 1000)])
            {
                foreach (byte[] frame in Through(s.Node, TestNode.Curl, wire.Pass(s.Node.Arriving(TestNode.Curl, piece)), TestNode.Uplink, new FaultyWire(1, default)))
                {
                    Assert.Null(FrameValidity.Fault(frame));
                    ushort id = BinaryPrimitives.ReadUInt16BigEndian(frame.AsSpan(18));
                    int offset = (BinaryPrimitives.ReadUInt16BigEndian(frame.AsSpan(20)) & 0x1FFF) * 8;
                    byte[] payload = frame[34..];
                    SortedDictionary<int, byte[]> known = pieces.TryGetValue(id, out SortedDictionary<int, byte[]>? found) ? found : pieces[id] = [];
                    Assert.True(!known.TryGetValue(offset, out byte[]? before) || before.AsSpan().SequenceEqual(payload), $"{mode}: two pieces of datagram {id} at {offset} differ");
                    known[offset] = payload;
                }
            }
        }

        (ushort Id, byte[] Bytes)[] complete = [.. pieces.Where(p => p.Value.Count == 3).Select(p => (p.Key, p.Value.Values.SelectMany(v => v).ToArray()))];
        Assert.True(complete.Length > Count / 2, $"{mode}: {complete.Length} of {Count} datagrams got through");
        Assert.All(complete, datagram => Assert.Equal(Question(datagram.Id - 1), datagram.Bytes[8..]));
        Assert.Single(complete.Select(d => BinaryPrimitives.ReadUInt16BigEndian(d.Bytes)).Distinct());
        Assert.True(mode == FragmentMode.Hold || s.Node.DropPackets(DropReason.FirstFragmentMissing) > 0, "no fragment came before its first");
    }

    private static byte[] Question(int message) => [.. BitConverter.GetBytes(message), .. Enumerable.Range(0, 60).Select(i => (byte)(message * (i + 3)))];

    /// <summary>The server takes what is valid, and answers it.</summary>
    private static void Answer(Scenario s, byte[] frame, FaultyWire[] wires, HashSet<int> atServer, HashSet<int> answered, HashSet<ushort> faces, ulong seed)
    {
        int start = FrameCheck.Of(frame).TransportStart;
        byte[] payload = frame[(start + 20)..];
        int message = BitConverter.ToInt32(payload);
        Assert.True(payload.AsSpan().SequenceEqual(Question(message)), $"seed {seed}: a changed packet left as a valid one: {FrameText.Line(frame)}");
        ushort face = BinaryPrimitives.ReadUInt16BigEndian(frame.AsSpan(start));
        atServer.Add(message);
        faces.Add(face);
        TestPacket answer = TestPacket.Tcp(s.Mesh.Outside, 80, s.Mesh.Node, face) with { Payload = payload };
        foreach (byte[] got in Through(s.Node, TestNode.Uplink, wires[2].Pass(s.Node.Arriving(TestNode.Uplink, answer)), TestNode.Curl, wires[3]).Where(f => IsFor(f, s.Mesh.CurlPod)))
        {
            byte[] bytes = got[(FrameCheck.Of(got).TransportStart + 20)..];
            int back = BitConverter.ToInt32(bytes);
            Assert.True(bytes.AsSpan().SequenceEqual(Question(back)), $"seed {seed}: a changed answer came as a valid one: {FrameText.Line(got)}");
            Assert.Equal(ClientPort, BinaryPrimitives.ReadUInt16BigEndian(got.AsSpan(FrameCheck.Of(got).TransportStart + 2)));
            answered.Add(back);
        }
    }

    /// <summary>Frames that come to a port; what leaves by another, behind the wire there.</summary>
    private static List<byte[]> Through(TestNode node, string from, IReadOnlyList<byte[]> frames, string to, FaultyWire behind)
    {
        List<byte[]> arrived = [];
        foreach (byte[] frame in frames)
        {
            Delivery got = node.Send(from, frame);
            IEnumerable<byte[]> left = got.Verdict == Verdict.Transmit && got.Port == to ? [got.Frame] : [];
            foreach (byte[] leaving in left.Concat(got.Outbox.Where(o => o.Port == to).Select(o => o.Frame)))
            {
                arrived.AddRange(behind.Pass(leaving));
            }
        }

        return arrived;
    }

    /// <summary>A station takes what is valid TCP for its address, as its stack would.</summary>
    private static bool IsFor(byte[] frame, IpAddress station)
    {
        if (FrameValidity.Fault(frame) is not null || FrameCheck.Of(frame) is not { IsIp: true, Protocol: 6, Transport: ChecksumState.Valid } check)
        {
            return false;
        }

        byte[] address = new byte[IpAddress.Length];
        station.WriteTo(address);
        ReadOnlySpan<byte> destination = check.IsIpv4 ? frame.AsSpan(30, 4) : frame.AsSpan(38, 16);
        return destination.SequenceEqual(check.IsIpv4 ? address.AsSpan(12) : address);
    }
}
