using ClusterMesh.Datapath.State.Desired;
using ClusterMesh.Datapath.Testing;
using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.Pipeline.Tests.Steering;

/// <summary>
/// The same random traffic at two nodes, of which one has one worker and the other several, whose frames come in at any of them. Whatever leaves is
/// compared, but for the port or id that SNAT chose; and each packet of a flow must have been taken by the same worker.
/// </summary>
internal sealed class SteeringHistory
{
    private const ushort SharedPort = 32768;
    private const ushort HiddenPort = 40_000;

    /// <summary>Of a frontend at the node's own address, among those that SNAT gives away.</summary>
    private const ushort ServicePort = 40_001;
    private const double LeastLifeSeconds = 59;
    private const int Single = 0;
    private const int Several = 1;

    private readonly TestNode[] _nodes;
    private readonly Random _random;
    private int _workerCount;
    private readonly ulong _seed;
    private readonly List<SteeringFlow> _flows = [];
    private readonly Dictionary<string, int> _kinds = [];
    private readonly HashSet<int> _workers = [];
    private readonly string[] _log = new string[12];
    private int _logged;
    private int _nextPort = 1_024;
    private int _services;
    private int _transmitted;
    private ushort _datagram;

    public SteeringHistory(int workerCount, ulong seed)
    {
        _workerCount = workerCount;
        _seed = seed;
        _random = new Random((int)seed);
        _nodes = [new TestNode(seed, workerCount: 1, snatCapacity: 4096), new TestNode(seed, workerCount: workerCount, snatCapacity: 4096)];
        ChangeServices();
    }

    public void Step()
    {
        switch (_flows.Count == 0 ? 0 : _random.Next(20))
        {
            case < 5:
                Begin();
                break;
            case < 10:
                SendForward(Any());
                break;
            case < 15:
                SendAnswer(Any());
                break;
            case 15 or 16:
                SendError(Any());
                break;
            case 17:
                Fragment(Any());
                break;
            case 18:
                Wait(_random.NextDouble() * 3);
                break;
            default:
                if (_random.Next(4) == 0)
                {
                    ChangeServices();
                }

                break;
        }
    }

    /// <summary>The node with several workers is started again with another number of them.</summary>
    /// <returns>Flows that lost their mapping by it, since its port is another worker's; how many go on.</returns>
    public (int Displaced, int Kept) Restart(int workerCount)
    {
        TestNode node = _nodes[Several];
        _workerCount = workerCount;
        FlowRecovery recovery = node.Restart(workerCount);
        string counts = string.Join(", ", Enum.GetValues<FlowFate>().Select(f => $"{f} {recovery.CountOf(f)}"));
        Assert.True(recovery.CountOf(FlowFate.Broken) + recovery.CountOf(FlowFate.NoRoom) == 0, counts);
        Assert.Equal(recovery.FlowCount, node.ConntrackCount);
        Assert.Equal(recovery.MappingCount, node.SnatCount);
        int displaced = _flows.RemoveAll(f => HasMapping(f, Single) && !HasMapping(f, Several));
        Assert.True(displaced <= recovery.CountOf(FlowFate.Displaced), $"{displaced} flows have no mapping any more; {counts}");
        _flows.ForEach(f => f.Worker = -1);
        return (displaced, _flows.Count);
    }

    /// <summary>A history in which hardly anything leaves, or of which one worker has all, proves nothing.</summary>
    public void AssertCovered()
    {
        Assert.True(_workers.Count >= Math.Min(_workerCount, 4), $"only workers {string.Join(", ", _workers)} had flows");
        Assert.True(_transmitted > 700, $"only {_transmitted} frames left");
        Assert.True(_kinds.Count >= 15, $"only {string.Join(", ", _kinds.Keys)}");
    }

    private bool HasMapping(SteeringFlow flow, int node) => flow.To is not null && !IsOver(flow)
        && _nodes[node].AllLive.Any(l => l.Snat.FindReverse(flow.Seen[node].Reversed) is >= 0 and int i && l.Snat.FlowOf(i, l.Conntrack, _nodes[node].Now) >= 0);

    private SteeringFlow Any() => _flows[Math.Max(_random.Next(_flows.Count), _random.Next(_flows.Count))];

    private void Begin()
    {
        SteeringFlow flow = NewFlow(new Mesh(_random.Next(2) == 0 ? Family.Ipv4 : Family.Ipv6));
        _kinds[flow.Kind] = _kinds.GetValueOrDefault(flow.Kind) + 1;
        _flows.Add(flow);
        SendForward(flow);
    }

    private SteeringFlow NewFlow(Mesh m)
    {
        IpProtocol protocol = _random.Next(2) == 0 ? IpProtocol.Tcp : IpProtocol.Udp;
        int port = _random.Next(2) == 0 ? _nextPort++ : SharedPort + _nextPort++;
        int high = SharedPort + _random.Next(2000);
        TestPacket Packet(IpAddress source, IpAddress destination, int destinationPort) =>
            TestPacket.Of(protocol, source, port, destination, destinationPort) with { Flags = TcpFlags.Syn };
        (string pod, IpAddress address) = _random.Next(3) switch
        {
            0 => (TestNode.Curl, m.CurlPod),
            1 => (TestNode.Web1, m.Webpod1),
            _ => (TestNode.Web2, m.Webpod2),
        };
        int number = _random.Next(22);
        return number switch
        {
            0 or 1 => new("pod to service", pod, Packet(address, m.ClusterIp, 80 + _random.Next(3))),
            2 => new("world to node port", TestNode.Uplink, Packet(m.Outside, m.Node, 30080 + _random.Next(3))),
            3 => new("pod to node port", pod, Packet(address, m.Node, 30080 + _random.Next(3))),
            4 => new("host to service", TestNode.Host, Packet(m.Node, m.ClusterIp, 80 + _random.Next(3))),
            5 or 6 => new("pod to world", pod, Packet(address, m.Outside, 443)),
            7 => new("pod to world, high port", pod, Packet(address, m.Outside, high)),
            8 => new("host to world", TestNode.Host, Packet(m.Node, m.Outside, _random.Next(2) == 0 ? 443 : high)),
            9 => new("world to host", TestNode.Uplink, Packet(m.Outside, m.Node, _random.Next(2) == 0 ? 22 : high)),
            10 => new("pod to host", pod, Packet(address, m.Node, _random.Next(2) == 0 ? 22 : high)),
            11 => new("host to pod", TestNode.Host, Packet(m.Node, m.CurlPod, _random.Next(2) == 0 ? 8080 : high)),
            12 => new("pod to pod", TestNode.Curl, Packet(m.CurlPod, m.Webpod2, _random.Next(2) == 0 ? 9000 : high)),
            13 => new("pod to remote pod", pod, Packet(address, m.EastPod, 9000)),
            14 => new("remote pod to pod", TestNode.Uplink, Packet(m.EastPod, m.CurlPod, 9000)),
            15 => new("pod to backend, or to one that becomes it", TestNode.Curl, Packet(m.CurlPod, m.Webpod1, 8080 + (_services / 3) + _random.Next(2))),
            16 => new("backend from its port", TestNode.Web1, Packet(m.Webpod1, m.Webpod2, 8080) with { SourcePort = 8080, DestinationPort = (ushort)port }),
            17 => new("backend to backend", TestNode.Web1, Packet(m.Webpod1, m.Webpod2, 8080) with { SourcePort = (ushort)(8080 + _random.Next(3)) }),
            18 => Echo(m, pod, address),
            19 => new("pod to service at the node's shared port", pod, Packet(address, m.Node, ServicePort)),
            20 => new("pod to world from the service's port", pod, Packet(address, m.Outside, port) with { SourcePort = ServicePort }),
            _ => new("service of the host's own", TestNode.Curl, Packet(m.CurlPod, m.ClusterIp, 90)),
        };
    }

    private SteeringFlow Echo(Mesh m, string pod, IpAddress address)
    {
        int number = _random.Next(4);
        int id = number < 2 && _random.Next(4) == 0 ? _random.Next(2) * 65535 : _nextPort++;
        return number switch
        {
            0 => new("echo, pod to world", pod, TestPacket.EchoRequest(address, m.Outside, id)),
            1 => new("echo, pod to pod", TestNode.Curl, TestPacket.EchoRequest(m.CurlPod, m.Webpod2, id)),
            2 => new("echo, world to host", TestNode.Uplink, TestPacket.EchoRequest(m.Outside, m.Node, id)),
            _ => new("echo, host to world", TestNode.Host, TestPacket.EchoRequest(m.Node, m.Outside, id)),
        };
    }

    private void SendForward(SteeringFlow flow)
    {
        TestPacket packet = flow.First with { Flags = flow.IsAnswered ? TcpFlags.Ack : TcpFlags.Syn };
        Delivery[] got = Both(flow, "forward", flow.From, _ => packet);
        Look(flow, got);
    }

    /// <summary>Takes note of how the server sees the client's packet that left.</summary>
    private static void Look(SteeringFlow flow, Delivery[] got)
    {
        for (int node = 0; node < 2 && got[node].Port is not null; node++)
        {
            Assert.True(SteeringKey.TryRead(got[node].Frame, out SteeringKey read));
            flow.Seen[node] = read.Key;
            flow.To = got[node].Port;
        }
    }

    private void SendAnswer(SteeringFlow flow)
    {
        if (flow.To is { } to && !IsOver(flow))
        {
            int length = _random.Next(200);
            Delivery[] got = Both(flow, "answer", to, node => flow.Answer(node, length));
            flow.IsAnswered |= got[Single].Port is not null;
        }
    }

    /// <summary>The server, or a router before it, complains of the client's packet; or the client of the server's.</summary>
    private void SendError(SteeringFlow flow)
    {
        if (flow.To is not { } to || IsOver(flow))
        {
            return;
        }

        bool fromRouter = to == TestNode.Uplink && _random.Next(2) == 0;
        IcmpTrouble trouble = (IcmpTrouble)_random.Next(3);
        var m = new Mesh(flow.First.IsIpv4 ? Family.Ipv4 : Family.Ipv6);
        if (_random.Next(3) > 0)
        {
            Both(flow, "error about the request", to, node => TestPacket.Error(fromRouter ? m.RouterOnTheWay : flow.Seen[node].Destination, trouble, flow.Got(node)), isError: true);
        }
        else if (flow.IsAnswered)
        {
            TestPacket answer = flow.IsEcho
                ? TestPacket.EchoReply(flow.First.Destination, flow.First.Source, (int)(flow.First.IcmpRest >> 16))
                : TestPacket.Of(flow.First.Protocol, flow.First.Destination, flow.First.DestinationPort, flow.First.Source, flow.First.SourcePort);
            Both(flow, "error about the answer", flow.From, _ => TestPacket.Error(flow.First.Source, trouble, answer), isError: true);
        }
    }

    /// <summary>A datagram in three pieces, in any order; those that come before the first are dropped at both nodes.</summary>
    private void Fragment(SteeringFlow flow)
    {
        if (flow.IsEcho)
        {
            return;
        }

        bool isAnswer = flow.To is not null && !IsOver(flow) && _random.Next(2) == 0;
        ushort id = ++_datagram;
        int[] pieces = [0, 1, 2];
        _random.Shuffle(pieces);
        foreach (int piece in pieces)
        {
            TestPacket Whole(int node) => (isAnswer ? flow.Answer(node, 0) : flow.First with { Flags = TcpFlags.Ack }) with { Payload = Payload, Id = id };
            Delivery[] got = Both(flow, $"piece {piece} of {id}", isAnswer ? flow.To! : flow.From, node => Whole(node).Fragment(piece * 1_000, 1_000));
            if (piece == 0 && !isAnswer)
            {
                Look(flow, got);
            }
        }
    }

    private static byte[] Payload { get; } = [.. Enumerable.Range(0, 2_500).Select(i => (byte)(i * 3))];

    private void Wait(double seconds)
    {
        foreach (TestNode node in _nodes)
        {
            node.Wait(seconds);
            node.Tick();
            foreach (Family family in Enum.GetValues<Family>())
            {
                var m = new Mesh(family);
                Array.ForEach([m.Gateway, m.EastWorker], node.Resolve); // They answer when they are asked.
            }
        }
    }

    /// <summary>Other backends for the services, one each, so that the dice of one and of several workers choose the same.</summary>
    private void ChangeServices()
    {
        _services++;
        Func<Mesh, IpAddress>[] backends = [m => m.Webpod1, m => m.EastPod, m => m.Webpod2];
        for (int node = 0; node < 2; node++)
        {
            _nodes[node].Apply(new()
            {
                Services =
                [
                    .. Enumerable.Range(0, 3).SelectMany(i => ((IpProtocol[])[IpProtocol.Tcp, IpProtocol.Udp]).Select(p => TestNode.Service(
                        p == IpProtocol.Tcp && i == 0 ? "default/webpod" : $"default/{p}-{i}", p, (ushort)(80 + i), (ushort)(30080 + i), (ushort)(8080 + (_services / 3)), backends[(i + _services) % 3])
                        with { AffinitySeconds = i == 1 ? 30u : 0 })),
                    .. ((IpProtocol[])[IpProtocol.Tcp, IpProtocol.Udp]).Select(p => TestNode.Service($"default/shared-{p}", p, ServicePort, 30091, 8090, m => m.Webpod2) with
                    {
                        Frontends = [.. Enum.GetValues<Family>().Select(f => new FrontendSpec(ServiceType.ClusterIP, new Mesh(f).Node, ServicePort))],
                    }),
                    .. ((IpProtocol[])[IpProtocol.Tcp, IpProtocol.Udp]).Select(p => TestNode.Service(
                        $"default/host-{p}", p, 90, 30090, (ushort)(_services % 2 == 0 ? 6443 : 36443), m => m.Node)
                        with { AffinitySeconds = p == IpProtocol.Udp ? 30u : 0 }),
                ],
            });
        }
    }

    /// <summary>Nobody knows it any more: its next packet begins another flow, and the port it had from SNAT, which no two nodes choose alike, may be anybody's.</summary>
    private bool IsOver(SteeringFlow flow) => flow.LastPacket.PlusSeconds(LeastLifeSeconds).Nanoseconds <= _nodes[Single].Now.Nanoseconds;

    private Delivery[] Both(SteeringFlow flow, string what, string port, Func<int, TestPacket> packetOf, bool isError = false)
    {
        var got = new Delivery[2];
        for (int node = 0; node < 2; node++)
        {
            got[node] = _nodes[node].Send(port, packetOf(node));
        }

        int worker = _nodes[Several].LastWorker;
        _log[_logged++ % _log.Length] = $"{flow.Kind}, {what}, by {port}, {flow.First.Source}:{flow.First.SourcePort}; at worker {worker}: {got[Several]}; alone: {got[Single]}";
        string Story() => $"{_workerCount} workers, seed {_seed}, step {_logged}:\n{string.Join('\n', Enumerable.Range(_logged, _log.Length).Select(i => _log[i % _log.Length]))}";
        Assert.True((got[Single].Verdict, got[Single].Reason, got[Single].Port) == (got[Several].Verdict, got[Several].Reason, got[Several].Port), Story());
        Assert.True(Hidden(got[Single].Frame).AsSpan().SequenceEqual(Hidden(got[Several].Frame)), Story());
        if (got[Several].Verdict == Verdict.Transmit)
        {
            _transmitted++;
            Assert.True(flow.Worker < 0 || IsOver(flow) || flow.Worker == worker, $"the flow was worker {flow.Worker}'s; {Story()}");
            flow.Worker = worker;
            flow.LastPacket = isError ? flow.LastPacket : _nodes[Single].Now;
            _workers.Add(worker);
        }

        return got;
    }

    /// <summary>The frame with one port, or id, for all that SNAT may have chosen.</summary>
    private static byte[] Hidden(byte[] frame)
    {
        var m = new Mesh(frame.Length > 12 && frame[12] == 0x08 ? Family.Ipv4 : Family.Ipv6);
        if (frame.Length == 0 || !SteeringKey.TryRead(frame, out SteeringKey read) || read.IsLaterFragment)
        {
            return frame;
        }

        // Also where the node's own stack gets the late answer of a flow that is over.
        FlowKey key = read.Key;
        bool isEcho = key.Protocol is IpProtocol.Icmp or IpProtocol.Icmpv6;
        ushort Hide(ushort port, IpAddress at) => port < SharedPort || at != m.Node ? port : HiddenPort;
        FlowKey hidden = isEcho && (key.Source == m.Node || key.Destination == m.Node)
            ? key with { SourcePort = 0, DestinationPort = HiddenPort }
            : key with { SourcePort = Hide(key.SourcePort, key.Source), DestinationPort = Hide(key.DestinationPort, key.Destination) };
        byte[] copy = [.. frame];
        IpHeader.Parse(copy.AsSpan(EthernetHeader.Length), quoted: false, out IpHeader ip);
        var p = new PacketContext(copy, 0, copy.Length, default, 0)
        {
            Key = key,
            TransportOffset = ip.HeaderLength,
            HasTransport = true,
            IsIpv4 = ip.IsIpv4,
            IsIcmpError = ip.Protocol != key.Protocol || IsError(copy.AsSpan(EthernetHeader.Length + ip.HeaderLength), ip),
        };
        HeaderRewrite.Translate(ref p, hidden);
        return copy;
    }

    private static bool IsError(Span<byte> message, IpHeader ip) =>
        ip.Protocol is IpProtocol.Icmp or IpProtocol.Icmpv6 && TransportHeader.TryParse(message, ip.Protocol, fragment: false, out TransportHeader icmp) && icmp.IcmpKind == IcmpKind.Error;
}
