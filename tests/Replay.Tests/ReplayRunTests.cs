using ClusterMesh.Datapath.Configuration;
using ClusterMesh.Datapath.Pipeline;
using PacketDotNet;
using static ClusterMesh.Datapath.Replay.Tests.Node;

namespace ClusterMesh.Datapath.Replay.Tests;

/// <summary>What a replay says and sends, without files.</summary>
public sealed class ReplayRunTests
{
    /// <summary>Word for word: tools read these lines, and every process must write the same ones.</summary>
    [Fact]
    public void A_flow_to_a_service_of_the_other_cluster()
    {
        List<ReplayRecord> records = Run(
        [
            Packets.Tcp(CurlPod, Epoch, "10.0.1.105:4000", "10.2.164.148:80", "S"),
            Packets.Tcp("uplink", Epoch + Millisecond, "10.1.1.2:80", "10.0.1.105:4000", "SA") with { Number = 7 },
            Packets.Tcp(CurlPod, Epoch + (2 * Millisecond), "10.0.1.105:4000", "10.2.164.148:80", "A"),
        ]);
        Assert.Equal(
            """
            {"emitted":true,"time":"2026-01-01T00:00:00.000000000Z","verdict":"transmit","out":"uplink","after":{"source":"172.18.0.5","destination":"172.18.0.2","protocol":"ARP","message":"request"},"length":42}
            {"simulated":true,"time":"2026-01-01T00:00:00.000000000Z","in":"uplink","verdict":"consumed","before":{"source":"172.18.0.2","destination":"172.18.0.5","protocol":"ARP","message":"reply"},"length":42}
            {"emitted":true,"time":"2026-01-01T00:00:00.000000000Z","verdict":"transmit","out":"uplink","after":{"source":"172.18.0.5","destination":"172.18.0.4","protocol":"ARP","message":"request"},"length":42}
            {"simulated":true,"time":"2026-01-01T00:00:00.000000000Z","in":"uplink","verdict":"consumed","before":{"source":"172.18.0.4","destination":"172.18.0.5","protocol":"ARP","message":"reply"},"length":42}
            {"packet":1,"time":"2026-01-01T00:00:00.000000000Z","in":"default/curl-pod","verdict":"transmit","out":"uplink","before":{"source":"10.0.1.105:4000","destination":"10.2.164.148:80","protocol":"TCP"},"after":{"source":"10.0.1.105:4000","destination":"10.1.1.2:80","protocol":"TCP"},"status":"new","length":54}
            {"packet":2,"time":"2026-01-01T00:00:00.001000000Z","in":"uplink","number":7,"verdict":"transmit","out":"default/curl-pod","before":{"source":"10.1.1.2:80","destination":"10.0.1.105:4000","protocol":"TCP"},"after":{"source":"10.2.164.148:80","destination":"10.0.1.105:4000","protocol":"TCP"},"status":"reply","length":54}
            {"packet":3,"time":"2026-01-01T00:00:00.002000000Z","in":"default/curl-pod","verdict":"transmit","out":"uplink","before":{"source":"10.0.1.105:4000","destination":"10.2.164.148:80","protocol":"TCP"},"after":{"source":"10.0.1.105:4000","destination":"10.1.1.2:80","protocol":"TCP"},"status":"established","length":54}

            """,
            Text(records));
    }

    [Fact]
    public void What_leaves_is_whole()
    {
        ReplayRecord sent = Run([Packets.Tcp(CurlPod, Epoch, "10.0.1.105:4000", "10.2.164.148:80", "S")]).Entered().Single();
        EthernetPacket frame = Packets.Parse(sent.Sent);
        var ip = frame.Extract<IPv4Packet>();
        Assert.Equal("0200AC120002", frame.DestinationHardwareAddress.ToString());
        Assert.Equal("10.1.1.2", ip.DestinationAddress.ToString());
        Assert.Equal(63, ip.TimeToLive);
        Assert.True(ip.ValidIPChecksum && ip.Extract<TcpPacket>().ValidTcpChecksum);
    }

    [Fact]
    public void A_wrong_checksum_stays_wrong_and_stops_nothing()
    {
        ReplayFrame frame = Packets.Tcp(CurlPod, Epoch, "10.0.1.105:4000", "10.2.164.148:80", "S");
        byte[] bytes = frame.Bytes.ToArray();
        bytes[50] ^= 0x55; // TCP's checksum, as a capture with checksum offload has it.
        ReplayRecord sent = Run([frame with { Bytes = bytes }]).Entered().Single();
        Assert.Equal(Verdict.Transmit, sent.Verdict);
        Assert.False(Packets.Parse(sent.Sent).Extract<TcpPacket>().ValidTcpChecksum);
    }

    [Fact]
    public void A_dropped_packet_says_why()
    {
        List<ReplayRecord> records = Run(
        [
            Packets.Tcp(CurlPod, Epoch, "10.0.1.105:4000", "10.1.1.2:80", "S", ttl: 1),
            Packets.Tcp(CurlPod, Epoch, "10.0.1.99:4000", "10.1.1.2:80", "S"),
            new ReplayFrame(CurlPod, Epoch, new byte[10]),
        ], out ReplaySummary summary);
        Assert.Equal(
            """
            {"packet":1,"time":"2026-01-01T00:00:00.000000000Z","in":"default/curl-pod","verdict":"drop","reason":{"code":196,"text":"TTL exceeded"},"before":{"source":"10.0.1.105:4000","destination":"10.1.1.2:80","protocol":"TCP"},"status":"new","length":54}
            {"packet":2,"time":"2026-01-01T00:00:00.000000000Z","in":"default/curl-pod","verdict":"drop","reason":{"code":132,"text":"Invalid source ip"},"before":{"source":"10.0.1.99:4000","destination":"10.1.1.2:80","protocol":"TCP"},"length":54}
            {"packet":3,"time":"2026-01-01T00:00:00.000000000Z","in":"default/curl-pod","verdict":"drop","reason":{"code":134,"text":"Invalid packet"},"length":10}

            """,
            Text(records.Entered()));
        Assert.StartsWith("3 packets: 0 transmitted, 3 dropped (1 Invalid source ip, 1 Invalid packet, 1 TTL exceeded), 0 consumed; ", summary.ToString());
    }

    [Fact]
    public void The_same_seed_gives_the_same_bytes_and_another_one_others()
    {
        ReplayFrame[] frames = [.. Enumerable.Range(0, 100).Select(i => Packets.Udp(CurlPod, Epoch + (i * Second), $"10.0.1.105:{5000 + i}", "10.2.0.10:53"))];
        string[] runs = [.. ((ulong[])[1, 1, 2]).Select(seed => Everything(Run(frames, seed)))];
        Assert.Equal(runs[0], runs[1]);
        Assert.NotEqual(runs[0], runs[2]);

        static string Everything(List<ReplayRecord> records) => string.Concat(records.Select(r => RecordJson.Line(r) + Convert.ToHexString(r.Sent.Span)));
    }

    [Theory]
    [InlineData(59, "established")]
    [InlineData(61, "new")]
    public void A_flow_lives_as_long_as_the_captured_time_says(int seconds, string status)
    {
        List<ReplayRecord> records = Run(
        [
            Packets.Udp(CurlPod, Epoch, "10.0.1.105:5000", "10.0.1.14:53"),
            Packets.Udp(CurlPod, Epoch + (seconds * Second), "10.0.1.105:5000", "10.0.1.14:53"),
        ]);
        Assert.Equal(["new", status], records.Entered().Select(r => r.Status.ToString()!.ToLowerInvariant()));
    }

    [Fact]
    public void A_masqueraded_flow_gets_its_replies()
    {
        List<ReplayRecord> records = Run(
        [
            Packets.Udp(CurlPod, Epoch, "10.0.1.105:5000", "192.0.2.7:123"),
            Packets.Echo(CurlPod, Epoch, "10.0.1.105", "192.0.2.7", 4711),
        ]);
        ReplayRecord[] held = [.. records.Entered()];
        Assert.Equal([Verdict.Held, Verdict.Transmit], held.Select(r => r.Verdict));
        Assert.StartsWith("172.18.0.5:", held[0].After!.Source);
        Assert.Equal(new FrameTuple("172.18.0.5", "192.0.2.7", "ICMP", "echo request", 4711), held[1].After);

        ReplayFrame reply = Packets.Udp("uplink", Epoch + Second, "192.0.2.7:123", held[0].After!.Source);
        records = Run([Packets.Udp(CurlPod, Epoch, "10.0.1.105:5000", "192.0.2.7:123"), reply]);
        ReplayRecord back = records.Entered().Last();
        Assert.Equal((CurlPod, ConntrackStatus.Reply), (back.Out, back.Status));
        Assert.Equal(new FrameTuple("192.0.2.7:123", "10.0.1.105:5000", "UDP"), back.After);
        Assert.True(Packets.Parse(back.Sent).Extract<UdpPacket>().ValidUdpChecksum);
    }

    [Fact]
    public void An_error_shows_the_packet_it_complains_of()
    {
        ReplayFrame question = Packets.Udp(CurlPod, Epoch, "10.0.1.105:5000", "192.0.2.7:123");
        ReplayRecord sent = Run([question]).Single(r => r.Event == ReplayEvent.Released);
        ReplayFrame error = Packets.PortUnreachable(Epoch + Second, "192.0.2.7", Packets.Parse(sent.Sent).Extract<IPv4Packet>());
        ReplayRecord back = Run([question, error]).Entered().Last();
        Assert.Equal((CurlPod, ConntrackStatus.Related), (back.Out, back.Status));
        FrameTuple quoted = new(sent.After!.Source, "192.0.2.7:123", "UDP");
        Assert.Equal(new FrameTuple("192.0.2.7", "172.18.0.5", "ICMP", "type 3 code 3", null, quoted), back.Before);
        Assert.Equal(new FrameTuple("192.0.2.7", "10.0.1.105", "ICMP", "type 3 code 3", null, quoted with { Source = "10.0.1.105:5000" }), back.After);
        Assert.EndsWith(",\"message\":\"type 3 code 3\",\"quoted\":{\"source\":\"10.0.1.105:5000\",\"destination\":\"192.0.2.7:123\",\"protocol\":\"UDP\"}},\"status\":\"related\",\"length\":70}", RecordJson.Line(back));
    }

    [Fact]
    public void Ipv6_neighbors_answer_too()
    {
        List<ReplayRecord> records = Run([Packets.Udp(CurlPod, Epoch, "[fd00:10:0:1::105]:5000", "[2001:db8::7]:123")]);
        ReplayRecord[] about = [.. records.SkipWhile(r => r.Event != ReplayEvent.Entered)];
        Assert.Equal([Verdict.Held, Verdict.Transmit, Verdict.Consumed, Verdict.Transmit], about.Select(r => r.Verdict));
        Assert.Equal(new FrameTuple("fd00:18::5", "ff02::1:ff00:1", "ICMPv6", "neighbor solicitation"), about[1].After);
        Assert.Equal(new FrameTuple("fd00:18::1", "fd00:18::5", "ICMPv6", "neighbor advertisement"), about[2].Before);
        Assert.Equal(("2001:db8::7", ReplayEvent.Released), (about[3].After!.Destination[1..^5], about[3].Event));
        Assert.True(Packets.Parse(about[3].Sent).Extract<UdpPacket>().ValidUdpChecksum);
    }

    [Fact]
    public void A_packet_for_an_unknown_neighbor_is_held_and_leaves_when_it_answers()
    {
        List<ReplayRecord> records = Run([Packets.Udp(CurlPod, Epoch, "10.0.1.105:5000", "192.0.2.7:123")], out ReplaySummary summary);
        ReplayRecord[] about = [.. records.SkipWhile(r => r.Event != ReplayEvent.Entered)];
        Assert.Equal(
            [ReplayEvent.Entered, ReplayEvent.Emitted, ReplayEvent.Simulated, ReplayEvent.Released], about.Select(r => r.Event));
        Assert.Equal(new FrameTuple("172.18.0.5", "172.18.0.1", "ARP", "request"), about[1].After);
        Assert.Equal(new FrameTuple("172.18.0.1", "172.18.0.5", "ARP", "reply"), about[2].Before);
        Assert.Equal((1, "uplink", Verdict.Transmit), (about[3].Packet, about[3].Out, about[3].Verdict));
        Assert.Equal("0200AC120001", Packets.Parse(about[3].Sent).DestinationHardwareAddress.ToString());
        Assert.Equal((1, 1, 0), (summary.HeldCount, summary.TransmitCount, summary.Drops.Count));
    }

    [Fact]
    public void A_silent_neighbor_costs_the_packet_three_seconds_later()
    {
        List<ReplayRecord> records = Run([Packets.Udp(CurlPod, Epoch, "10.0.1.105:5000", "192.0.2.7:123")], out ReplaySummary summary, resolveNeighbors: false);
        ReplayRecord last = records[^1];
        Assert.Equal((ReplayEvent.Released, 1, Verdict.Drop, DropReason.NoRoute, NoRouteDetail.NoNeighbor), (last.Event, last.Packet, last.Verdict, last.Reason, last.ReasonDetail));
        Assert.InRange(last.Time - Epoch, 3 * Second, (3 * Second) + (500 * Millisecond));
        Assert.Equal(3, records.Count(r => r.Event == ReplayEvent.Emitted && r.After!.Destination == "172.18.0.1"));
        Assert.DoesNotContain(records, r => r.Event == ReplayEvent.Simulated);
        Assert.Equal((1, 0, 1), (summary.HeldCount, summary.TransmitCount, summary.Drops[DropReason.NoRoute]));
    }

    /// <summary>With flows.fragments: hold one that comes before its first waits, and leaves behind it; one whose first never comes is not told again.</summary>
    [Fact]
    public void An_early_fragment_leaves_behind_its_first()
    {
        ReplayFrame whole = Packets.Udp(CurlPod, Epoch, "10.0.1.105:5000", "10.0.1.14:53", length: 2000);
        NodeFile node = NodeFile.Parse("x.yaml", File.ReadAllText(FilePath) + "\nflows: {fragments: hold}\n");
        var records = new List<ReplayRecord>();
        var run = new ReplayRun(node, ReplayRun.DefaultSeed, resolveNeighbors: true);
        run.Run([Packets.Fragment(whole, 1000, 1008), Packets.Fragment(whole, 0, 1000)], records.Add);
        ReplayRecord[] about = [.. records.Where(r => r.Event != ReplayEvent.Simulated && r.Before?.Protocol != "ARP" && r.After?.Protocol != "ARP")];
        Assert.Equal([Verdict.Held, Verdict.Transmit, Verdict.Transmit], about.Select(r => r.Verdict));
        Assert.Null(about[0].Out);
        Assert.Equal((ReplayEvent.Entered, "default/webpod-1", 1034), (about[1].Event, about[1].Out, about[1].Length));
        Assert.Equal((ReplayEvent.Emitted, "default/webpod-1", 1042), (about[2].Event, about[2].Out, about[2].Length));
    }

    [Fact]
    public void Months_without_packets_take_no_time()
    {
        List<ReplayRecord> records = Run(
        [
            Packets.Udp(CurlPod, Epoch, "10.0.1.105:5000", "10.0.1.14:53"),
            Packets.Udp(CurlPod, Epoch + (360 * 86_400 * Second), "10.0.1.105:5000", "10.0.1.14:53"),
        ]);
        Assert.Equal([ConntrackStatus.New, ConntrackStatus.New], records.Entered().Select(r => r.Status!.Value));
        Assert.Equal(Epoch + (360 * 86_400 * Second), records[^1].Time);
    }
}
