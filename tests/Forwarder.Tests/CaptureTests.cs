using System.Net;
using System.Net.Sockets;
using ClusterMesh.Datapath.Control;
using ClusterMesh.Datapath.Control.Messages;
using ClusterMesh.Datapath.Control.Rows;
using ClusterMesh.Datapath.Mesh.Tests;

namespace ClusterMesh.Datapath.Forwarder.Tests;

/// <summary>What passes a running node, as pcapng: read by a reader of our own, and by libpcap's.</summary>
public sealed class CaptureTests
{
    [Fact]
    public async Task A_packet_is_there_as_it_came_and_as_it_left_with_verdict_and_names()
    {
        using World world = new();
        using ForwarderProcess forwarder = await ForwarderProcess.StartAsync(world);
        await using ControlClient client = await ForwarderProcess.ConnectAsync(world);
        await client.MergeAsync(Change.Service("default/web", "10.2.0.1:80", "10.0.1.12:8080"));
        using Socket listener = world.Listen("b", 8080);
        using Reader reader = await Reader.StartAsync(client, new CaptureRequest { Pods = ["default/a"], Protocol = "tcp" });
        Assert.Equal("10.0.1.11", world.Connect("a", "10.2.0.1", 80, listener));
        Assert.True(world.Ping("a", "10.0.1.12")); // Not TCP.
        PcapngFile file = await reader.EndAsync();
        Assert.Equal(0ul, file.Lost);
        Assert.Equal(["default/a", "default/b"], file.Interfaces.Order());
        PcapngFile.Packet came = file.Packets[0];
        PcapngFile.Packet left = file.Packets[1];
        Assert.Equal(("default/a", true, "forwarded from default/a to default/b; as received; pod west/default/a -> service default/web"), (came.Interface, came.IsInbound, came.Comment));
        Assert.Equal(("default/b", false, "forwarded from default/a to default/b; as it leaves; pod west/default/a -> pod west/default/b"), (left.Interface, left.IsInbound, left.Comment));
        Assert.Equal(came.Id, left.Id);
        Assert.Equal(IPAddress.Parse("10.2.0.1"), new IPAddress(came.Bytes.AsSpan(30, 4)));
        Assert.Equal(IPAddress.Parse("10.0.1.12"), new IPAddress(left.Bytes.AsSpan(30, 4)));
        Assert.Equal((came.Bytes[22] - 1, 64), (left.Bytes[22], came.Bytes[22])); // TTL
        Assert.All(file.Packets, p => Assert.Equal(6, p.Bytes[23]));
        Assert.All(file.Packets, p => Assert.True(Math.Abs((DateTime.UnixEpoch.AddTicks((long)(p.Time / 100)) - DateTime.UtcNow).TotalMinutes) < 1, $"captured at {p.Time}"));
        Assert.Contains(file.Packets, p => p.Comment.StartsWith("forwarded from default/b to default/a", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Drops_alone_and_their_reason_and_only_the_beginning_of_frames()
    {
        using World world = new();
        using ForwarderProcess forwarder = await ForwarderProcess.StartAsync(world);
        await using ControlClient client = await ForwarderProcess.ConnectAsync(world);
        using Reader reader = await Reader.StartAsync(client, new CaptureRequest { Verdict = "dropped", Hosts = ["10.0.1.99"], Count = 1, SnapLength = 34 });
        Assert.True(world.Ping("a", "10.0.1.12"));
        Assert.False(world.Ping("a", "10.0.1.99"));
        PcapngFile file = await reader.EndAsync(); // By itself, after one frame.
        PcapngFile.Packet dropped = Assert.Single(file.Packets);
        Assert.Equal(("default/a", "dropped: Stale or unroutable IP (151); as received; pod west/default/a -> world", 34, 98), (dropped.Interface, dropped.Comment, dropped.Bytes.Length, dropped.Length));
    }

    /// <summary>Not garbage of 8 MB and more each, which waits for a collection that stops the worker.</summary>
    [Fact]
    public async Task What_a_capture_takes_is_given_back_when_it_is_over()
    {
        const int Count = 8;
        const long MostBytes = 12 << 20;
        using World world = new();
        using ForwarderProcess forwarder = await ForwarderProcess.StartAsync(world);
        await using ControlClient client = await ForwarderProcess.ConnectAsync(world);
        long before = 0;
        for (int i = 0; i <= Count; i++)
        {
            before = i == 1 ? await OwnBytesAsync(client) : before;
            using Reader reader = await Reader.StartAsync(client, new CaptureRequest { Protocol = "icmp" });
            Assert.True(world.Ping("a", "10.0.1.12"));
            Assert.NotEmpty((await reader.EndAsync()).Packets);
        }

        // The reader has its end before the forwarder has tidied up.
        long grown = 0;
        await Eventually.TrueAsync(() => (grown = OwnBytesAsync(client).GetAwaiter().GetResult() - before) <= MostBytes, () => grown);
    }

    private static async Task<long> OwnBytesAsync(ControlClient client)
    {
        ListResult<CounterRow> page = await client.CallAsync("list", new ListRequest("counter"), ControlJson.Default.ListRequest, ControlJson.Tolerant.CounterList);
        return (long)page.Items.Single(r => ControlKinds.Counter.Key(r) == "process/memory/ownBytes").Value;
    }

    [Fact]
    public async Task Tcpdump_reads_it()
    {
        using World world = new();
        using ForwarderProcess forwarder = await ForwarderProcess.StartAsync(world);
        await using ControlClient client = await ForwarderProcess.ConnectAsync(world);
        using Reader reader = await Reader.StartAsync(client, new CaptureRequest { Protocol = "icmp", Point = "left" });
        Assert.True(world.Ping("a", "10.0.1.12"));
        _ = await reader.EndAsync();
        string path = Path.Combine(world.RunDirectory, "ping.pcapng");
        await File.WriteAllBytesAsync(path, reader.Bytes);
        string printed = Command.Run("tcpdump", $"-nr {path}");
        Assert.Contains("IP 10.0.1.11 > 10.0.1.12: ICMP echo request", printed);
        Assert.Contains("IP 10.0.1.12 > 10.0.1.11: ICMP echo reply", printed);
    }

    [Fact]
    public async Task Tshark_reads_names_directions_ids_and_comments()
    {
        Assert.SkipUnless(File.Exists("/usr/bin/tshark"), "needs tshark");
        using World world = new();
        using ForwarderProcess forwarder = await ForwarderProcess.StartAsync(world);
        await using ControlClient client = await ForwarderProcess.ConnectAsync(world);
        using Reader reader = await Reader.StartAsync(client, new CaptureRequest { Protocol = "icmp", Hosts = ["10.0.1.11", "10.0.1.12"] });
        Assert.True(world.Ping("a", "10.0.1.12"));
        PcapngFile file = await reader.EndAsync();
        string path = Path.Combine(world.RunDirectory, "ping.pcapng");
        await File.WriteAllBytesAsync(path, reader.Bytes);
        string[] lines = Command.Run("tshark", $"-r {path} -T fields -e frame.interface_name -e frame.packet_flags_direction -e frame.packet_id -e frame.comment -e icmp.type").Split('\n', StringSplitOptions.RemoveEmptyEntries);
        lines = [.. lines.Where(l => l.StartsWith("default/", StringComparison.Ordinal))]; // It warns of being root, too.
        Assert.Equal(file.Packets.Count, lines.Length);
        Assert.Matches(@"^default/a\t(0x0*1|1|Inbound)\t1\tforwarded from default/a to default/b; as received; pod west/default/a -> pod west/default/b\t8$", lines[0]);
        Assert.Matches(@"^default/b\t(0x0*2|2|Outbound)\t1\tforwarded from default/a to default/b; as it leaves; pod west/default/a -> pod west/default/b\t8$", lines[1]);
    }

    [Fact]
    public async Task What_goes_by_shared_memory_is_captured_at_both_nodes()
    {
        using World world = new();
        string directory = Path.Combine(world.RunDirectory, "links");
        using ForwarderProcess west = await SharedMemoryUplinkTests.StartAsync(world, "west", 1, "a", "east", 2, directory, "auto");
        using ForwarderProcess east = await SharedMemoryUplinkTests.StartAsync(world, "east", 2, "b", "west", 1, directory, "auto");
        await SharedMemoryUplinkTests.LinkedAsync(world, "west", "east/worker");
        await SharedMemoryUplinkTests.LinkedAsync(world, "east", "west/worker");
        await using ControlClient atWest = await ControlClient.ConnectAsync(SharedMemoryUplinkTests.SocketOf(world, "west"));
        await using ControlClient atEast = await ControlClient.ConnectAsync(SharedMemoryUplinkTests.SocketOf(world, "east"));
        using Reader left = await Reader.StartAsync(atWest, new CaptureRequest { Protocol = "icmp", Point = "left" });
        using Reader came = await Reader.StartAsync(atEast, new CaptureRequest { Protocol = "icmp", Point = "received" });
        Assert.True(world.Ping("a", "10.2.0.11"));
        PcapngFile.Packet[] sent = [.. (await left.EndAsync()).Packets.Where(p => p.Interface == "uplink")];
        PcapngFile.Packet[] received = [.. (await came.EndAsync()).Packets.Where(p => p.Interface == "uplink")];
        Assert.NotEmpty(sent);
        Assert.Equal(sent.Select(p => Convert.ToHexString(p.Bytes)), received.Select(p => Convert.ToHexString(p.Bytes)));
        Assert.All(received, p => Assert.Equal("forwarded from uplink to default/b; as received; pod of west/worker -> pod east/default/b", p.Comment));

        // The same two nodes: a trace follows the packet from one to the other, as the packets went.
        PacketTrace first = (await atWest.TraceAsync(new TraceRequest([new TracePacket { From = "default/a", To = "10.2.0.11", Protocol = "icmp" }]))).Packets[0];
        Assert.Equal(("uplink", "east/worker"), (first.Out, first.NextNode));
        PacketTrace second = (await atEast.TraceAsync(new TraceRequest([new TracePacket { In = "uplink", Frame = first.LeavingFrame, Readdress = true }]))).Packets[0];
        Assert.Equal("Delivered to pod default/b.", second.Summary);
    }

    [Fact]
    public async Task A_reader_that_does_not_read_loses_frames_and_stops_nobody()
    {
        using World world = new();
        using ForwarderProcess forwarder = await ForwarderProcess.StartAsync(world);
        await using ControlClient client = await ForwarderProcess.ConnectAsync(world);
        using Reader reader = await Reader.StartAsync(client, new CaptureRequest { Protocol = "udp", Point = "received" }, reads: false);
        using Socket sender = world.Socket("a", SocketType.Dgram);
        using Socket receiver = world.Socket("b", SocketType.Dgram);
        receiver.ReceiveBufferSize = 1 << 20;
        receiver.Bind(new IPEndPoint(IPAddress.Any, 9000));
        byte[] datagram = new byte[1400];
        byte[] got = new byte[2048];
        const int Count = 20_000; // 28 MB, more than the ring, the pipe and the sockets take.
        for (int i = 0; i < Count; i++)
        {
            sender.SendTo(datagram, IPEndPoint.Parse("10.0.1.12:9000"));
            using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(10));
            Assert.Equal(datagram.Length, await receiver.ReceiveAsync(got, limit.Token)); // Each arrives, though nobody takes what is captured.
        }

        PcapngFile file = await reader.EndAsync();
        Assert.True(file.Lost > 1000, $"{file.Lost} frames were lost");
        Assert.Equal(Count, file.Packets.Count(p => p.Length > 1400) + (long)file.Lost!.Value);
    }

    [Fact]
    public async Task What_cannot_be_captured_is_refused_and_a_capture_that_nobody_reads_goes_away()
    {
        using World world = new();
        using ForwarderProcess forwarder = await ForwarderProcess.StartAsync(world);
        await using ControlClient client = await ForwarderProcess.ConnectAsync(world);
        foreach ((CaptureRequest request, string sentence) in ((CaptureRequest, string)[])[
            (new CaptureRequest { Hosts = ["nowhere"] }, "hosts: 'nowhere' is no address"),
            (new CaptureRequest { Pods = ["default/x"] }, "pods: there is no pod 'default/x' on west-worker; cmesh endpoint list shows those that are"),
            (new CaptureRequest { Ports = [70000] }, "ports: 70000 is no port"),
            (new CaptureRequest { Protocol = "gre" }, "protocol: 'gre' is none; use tcp, udp, sctp, icmp or icmpv6"),
            (new CaptureRequest { Verdict = "lost" }, "verdict: 'lost' is none; use forwarded, dropped or held"),
            (new CaptureRequest { Reason = 1 }, "reason: 1 is no drop reason; docs/drop-reasons.md lists them"),
            (new CaptureRequest { Point = "middle" }, "point: 'middle' is none; use received, left or both"),
            (new CaptureRequest { Count = 0 }, "count: 0 is no number of frames; use 1 or more"),
            (new CaptureRequest { SnapLength = 1 }, "snapLength: 1 is not within 14 and 65550")])
        {
            Assert.Equal(sentence, (await Assert.ThrowsAsync<ControlException>(() => client.CaptureAsync(request))).Message);
        }

        for (int i = 0; i < 4; i++)
        {
            await client.CaptureAsync(new CaptureRequest());
        }

        Assert.Equal("4 captures are under way already; end one of them", (await Assert.ThrowsAsync<ControlException>(() => client.CaptureAsync(new CaptureRequest()))).Message);
    }

    /// <summary>Someone who captures.</summary>
    private sealed class Reader : IDisposable
    {
        private readonly Socket _socket;
        private readonly MemoryStream _bytes = new();
        private readonly NetworkStream _stream;
        private Task _reading = Task.CompletedTask;

        private Reader(Socket socket)
        {
            _socket = socket;
            _stream = new NetworkStream(socket);
        }

        public byte[] Bytes => _bytes.ToArray();

        public static async Task<Reader> StartAsync(ControlClient client, CaptureRequest request, bool reads = true)
        {
            CaptureResult result = await client.CaptureAsync(request);
            var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
            await socket.ConnectAsync(new UnixDomainSocketEndPoint(result.Path));
            var reader = new Reader(socket);

            // The stream's first block comes when the taps are open.
            byte[] first = new byte[4];
            await reader._stream.ReadExactlyAsync(first);
            reader._bytes.Write(first);
            Assert.False(File.Exists(result.Path), $"{result.Path} is still there");
            reader._reading = reads ? reader._stream.CopyToAsync(reader._bytes) : Task.CompletedTask;
            return reader;
        }

        public async Task<PcapngFile> EndAsync()
        {
            try
            {
                _socket.Shutdown(SocketShutdown.Send);
            }
            catch (SocketException)
            {
                // It has ended by itself.
            }

            await _reading;
            await _stream.CopyToAsync(_bytes).WaitAsync(TimeSpan.FromSeconds(20));
            return PcapngFile.Read(Bytes);
        }

        public void Dispose()
        {
            _stream.Dispose();
            _socket.Dispose();
            _bytes.Dispose();
        }
    }
}
