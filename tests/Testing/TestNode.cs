using System.Globalization;
using ClusterMesh.Datapath.Pipeline;
using ClusterMesh.Datapath.State;
using ClusterMesh.Datapath.State.Desired;
using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.Testing;

/// <summary>
/// The worker of cluster west from the walk-through, whole but for devices: real configuration writer, real tables, the production
/// pipeline, a clock that is set by hand. Every frame lies in a dirty buffer between canaries.
/// </summary>
public sealed class TestNode
{
    public const string Curl = "default/curl-pod";
    public const string Web1 = "default/webpod-1";
    public const string Web2 = "default/webpod-2";
    public const string Host = "host";
    public const string Uplink = "uplink";

    private const byte Dirt = 0xA5;

    /// <summary>Bytes behind a frame that must stay as they are, but for the few by which an advertisement may be longer than its question.</summary>
    private const int Tailroom = ArrayFrames.Tailroom;

    private ArrayFrames _frames = new(0);
    private Burst _burst = new(new ArrayFrames(0));
    private readonly Func<int, TestWorkers> _workersOf;
    private TestWorkers _workers;

    /// <param name="workerCount">Null for as many as the run is made with. Each frame then comes in at any of them, and the capacities are each one's.</param>
    public TestNode(
        ulong seed = 1, int conntrackCapacity = 4096, int snatCapacity = 1024, ushort nodePortLast = 32767, Func<LocalNodeSpec, LocalNodeSpec>? local = null,
        bool? hasShortcut = null, int affinityCapacity = 4096, int? workerCount = null)
    {
        LocalNodeSpec spec = LocalSpec(nodePortLast);
        spec = local is null ? spec : local(spec);
        State = new StateWriter(spec, seed);
        _workersOf = count => new TestWorkers(
            count, spec.PodCidrs, State.Current.Masquerade.FirstPort,
            (homes, i) => new LiveTables(conntrackCapacity, snatCapacity, seed + (ulong)i, hasShortcut ?? HasShortcut, spec.Flows.Fragments, affinityCapacity, homes, i, sources: spec.Flows.SourceLimits, newFlowsUnderLoad: spec.Flows.NewFlowsUnderLoad), seed);
        _workers = _workersOf(workerCount ?? WorkerCount);
        Now = MonoTime.FromSeconds(1000);
        Apply(WalkThrough());
        ResolveAll();
    }

    /// <summary>Whether established flows go round the stages; CMESH_SHORTCUT=off sends all packets through them.</summary>
    public static bool HasShortcut { get; } = Environment.GetEnvironmentVariable("CMESH_SHORTCUT") != "off";

    /// <summary>Workers of a node; CMESH_WORKERS says how many.</summary>
    public static int WorkerCount { get; } = int.Parse(Environment.GetEnvironmentVariable("CMESH_WORKERS") ?? "1", CultureInfo.InvariantCulture);

    public static MacAddress RouterMac => MacAddress.Parse("02:00:00:00:00:01");

    public static MacAddress UplinkMac => MacAddress.Parse("02:00:ac:12:00:05");

    public static MacAddress HostMac => MacAddress.Parse("02:00:00:00:00:99");

    public StateWriter State { get; }

    /// <summary>The tables of the one worker, or of the first.</summary>
    public LiveTables Live => _workers.Live[0];

    /// <summary>The tables of all workers.</summary>
    public IReadOnlyList<LiveTables> AllLive => _workers.Live;

    /// <summary>Null where there is one worker.</summary>
    public FlowHomes? Homes => _workers.Homes;

    public KnownBackends Backends => _workers.Backends;

    /// <summary>Entries of all workers' tables.</summary>
    public int ConntrackCount => AllLive.Sum(live => live.Conntrack.Count);

    public int SnatCount => AllLive.Sum(live => live.Snat.Count);

    /// <summary>Who took the last frame through the stages.</summary>
    public int LastWorker => _workers.Last;

    public MonoTime Now { get; set; }

    public static LocalNodeSpec LocalSpec(ushort nodePortLast = 32767) => new(
        "west-worker",
        "west",
        1,
        [new InterfaceAddress(V4.Node, V4.Prefix("172.18.0.0/16")), new InterfaceAddress(V6.Node, V6.Prefix("172.18.0.0/16"))],
        [V4.Prefix("10.0.1.0/24"), V6.Prefix("10.0.1.0/24")],
        [V4.Router, V6.Router],
        RouterMac,
        1500,
        AutoDirectNodeRoutes: true,
        [V4.Prefix("10.0.0.0/16"), V6.Prefix("10.0.0.0/16")],
        new HostPortSpec("west-worker", "cmesh0", HostMac, InstallRoutes: false),
        new UplinkPortSpec("node-network", "west-worker", "br0", UplinkMac, [V4.Gateway, V6.Gateway]),
        ConntrackEntries: 1024,
        SnatEntries: 1024,
        NodePortFirst: 30000,
        NodePortLast: nodePortLast,
        "TestNode");

    public static DesiredChange WalkThrough() => new()
    {
        Masquerade = MasqueradeOf("10.1.0.0/16", "169.254.0.0/16"),
        Endpoints = [EndpointOf(Curl, m => m.CurlPod), EndpointOf(Web1, m => m.Webpod1), EndpointOf(Web2, m => m.Webpod2)],
        Nodes =
        [
            new NodeSpec("west-control-plane", "west", Both(m => m.ControlPlane), [V4.Prefix("10.0.0.0/24"), V6.Prefix("10.0.0.0/24")], "TestNode"),
            new NodeSpec("east-worker", "east", Both(m => m.EastWorker), [V4.Prefix("10.1.1.0/24"), V6.Prefix("10.1.1.0/24")], "TestNode"),
        ],
        Services = [Webpod(m => m.Webpod1)],
    };

    /// <summary>The service of the walk-through for TCP with the backends that a scenario needs, behind ClusterIP:80 and NodePort 30080.</summary>
    public static ServiceSpec Webpod(params Func<Mesh, IpAddress>[] backends) => Service("default/webpod", IpProtocol.Tcp, 80, 30080, 80, backends);

    /// <summary>webpod once more, behind every type of frontend: ClusterIP, NodePort 30080, LoadBalancer, ExternalIPs and HostPort 8080.</summary>
    public static ServiceSpec Balanced(params Func<Mesh, IpAddress>[] backends)
    {
        ServiceSpec webpod = Webpod(backends);
        return webpod with
        {
            Frontends =
            [
                .. webpod.Frontends,
                .. Both(m => m.BalancerIp).Select(a => new FrontendSpec(ServiceType.LoadBalancer, a, 80)),
                .. Both(m => m.ExternalIp).Select(a => new FrontendSpec(ServiceType.ExternalIPs, a, 80)),
                new FrontendSpec(ServiceType.HostPort, null, 8080),
            ],
        };
    }

    public static ServiceSpec Service(string name, IpProtocol protocol, ushort port, ushort nodePort, ushort backendPort, params Func<Mesh, IpAddress>[] backends) => new(
        name,
        protocol,
        [
            new FrontendSpec(ServiceType.ClusterIP, V4.ClusterIp, port),
            new FrontendSpec(ServiceType.ClusterIP, V6.ClusterIp, port),
            new FrontendSpec(ServiceType.NodePort, null, nodePort),
        ],
        [.. backends.SelectMany(Both).Select(a => new BackendSpec(a, backendPort, "west", "west-worker"))],
        "TestNode");

    public static MasqueradeSpec MasqueradeOf(params string[] exempt) =>
        new(true, [.. exempt.Select(V4.Prefix), .. exempt.Select(e => e.StartsWith("169.254", StringComparison.Ordinal) ? IpPrefix.Parse("fe80::/10") : V6.Prefix(e))]);

    /// <summary>The MAC of any station but this node: derived from its address's last two bytes.</summary>
    public static MacAddress MacOf(IpAddress neighbor) => new(0x0200_AC12_0000 | (neighbor.Low & 0xFFFF));

    public void Apply(DesiredChange change)
    {
        StatePlan plan = State.Plan(change);
        _workers.Learn(plan.Difference.Services.Come);
        State.Commit(plan);
    }

    /// <summary>As when the forwarder is started again with another number of workers: their flows are converted, their backends are those of now.</summary>
    public FlowRecovery Restart(int workerCount)
    {
        TestWorkers former = _workers;
        _workers = _workersOf(workerCount);
        _workers.Learn([.. State.Desired.Services.Values]);
        var recovery = new FlowRecovery(State.Current, State.Desired.Local.PodCidrs, Now);
        var conversion = new FlowConversion(former.Read(), recovery, Homes, Homes is null ? null : Backends, State.Current);
        foreach (Action<LiveTables, int> step in (Action<LiveTables, int>[])[conversion.TakeFlows, conversion.TakeRest])
        {
            foreach ((int number, LiveTables live) in AllLive.Index())
            {
                step(live, number);
            }
        }

        conversion.Finish();
        ResolveAll();
        return recovery;
    }

    /// <summary>Makes a neighbour on the node network known, as its answer to our question does.</summary>
    public void Resolve(IpAddress neighbor)
    {
        foreach (LiveTables live in AllLive)
        {
            live.Neighbors.Solicit(neighbor, State.Ports[Uplink], Now);
        }

        Delivery learned = Send(Uplink, NeighborFrames.Reply(neighbor, MacOf(neighbor), OwnOf(neighbor), UplinkMac));
        if (learned.Verdict != Verdict.Consumed)
        {
            throw new InvalidOperationException($"the answer of {neighbor} was not taken: {learned}");
        }
    }

    /// <summary>The frame in which a packet comes to a port.</summary>
    public byte[] Arriving(string port, TestPacket packet)
    {
        Port known = State.Ports[port];
        return packet.Frame(known.Kind == PortKind.Uplink ? MacOf(packet.Source.IsIpv4 ? V4.Gateway : V6.Gateway) : known.StationMac, known.RouterMac);
    }

    /// <summary>The frame in which a packet leaves.</summary>
    /// <param name="nextHop">The neighbour on the node network; anything for other ports.</param>
    public byte[] Leaving(string port, TestPacket packet, IpAddress nextHop)
    {
        Port known = State.Ports[port];
        return packet.Frame(known.RouterMac, known.Kind == PortKind.Uplink ? MacOf(nextHop) : known.StationMac);
    }

    public Delivery Send(string port, TestPacket packet, VirtioNetHeader offload = default) => Send(port, Arriving(port, packet), offload);

    public Delivery Send(string port, byte[] frame, VirtioNetHeader offload = default) => SendBurst((port, frame, offload))[0];

    /// <summary>Frames that come together. What leaves beside them is told with the frame behind which it left.</summary>
    public IReadOnlyList<Delivery> SendBurst(params ReadOnlySpan<(string Port, byte[] Frame, VirtioNetHeader Offload)> frames)
    {
        Fill(frames);
        Decapsulation.Run(_burst, State.Current);
        var sent = new List<Delivery>();
        for (int next = 0; next < frames.Length;)
        {
            int first = next;
            next = _workers.Process(_burst, first, State.Current, Now);
            for (int i = first; i < next; i++)
            {
                sent.Add(Deliver(_burst.Frames[i], frames[i].Frame.Length, i == next - 1 ? TakeOutbox() : []));
            }
        }

        return sent;
    }

    /// <summary>One round of housekeeping at this moment.</summary>
    public IReadOnlyList<OutboxFrame> Tick()
    {
        _workers.KeepHouse(State.Current, Now);
        return TakeOutbox();
    }

    /// <summary>Looks at every entry of the flow tables once, as housekeeping does in half a minute.</summary>
    public void Sweep()
    {
        foreach (LiveTables live in AllLive)
        {
            live.Conntrack.Sweep(live.Conntrack.Capacity, Now);
            live.Snat.Sweep(live.Snat.Capacity, live.Conntrack, Now);
        }
    }

    public ulong IcmpSentCount(IcmpAnswerKind kind) => AllLive.Aggregate(0ul, (sum, live) => sum + live.Icmp.SentCount(kind));

    public ulong DropPackets(DropReason reason) => AllLive.Aggregate(0ul, (sum, live) => sum + live.Counters.DropPackets(reason));

    public void Wait(double seconds) => Now = Now.PlusSeconds(seconds);

    public IpAddress OwnOf(IpAddress other) => other.IsIpv4 ? V4.Node : V6.Node;

    public string NameOf(int portId) => State.Current.Ports[portId].Name;

    private static Mesh V4 { get; } = new(Family.Ipv4);

    private static Mesh V6 { get; } = new(Family.Ipv6);

    private static IpAddress[] Both(Func<Mesh, IpAddress> select) => [select(V4), select(V6)];

    private static EndpointSpec EndpointOf(string name, Func<Mesh, IpAddress> address) =>
        new(name, name, "eth0", new MacAddress(0x0200_0A00_0000 | (address(V4).Low & 0xFFFF)), Both(address), "TestNode");

    private void ResolveAll()
    {
        foreach (Family family in (Family[])[Family.Ipv4, Family.Ipv6])
        {
            var mesh = new Mesh(family);
            foreach (IpAddress neighbor in (IpAddress[])[mesh.Gateway, mesh.ControlPlane, mesh.EastWorker, mesh.Neighbor])
            {
                Resolve(neighbor);
            }
        }
    }

    private void Fill(ReadOnlySpan<(string Port, byte[] Frame, VirtioNetHeader Offload)> frames)
    {
        if (_frames.Count < frames.Length)
        {
            _frames = new ArrayFrames(frames.Length);
            _burst = new Burst(_frames);
        }

        _burst.Clear();
        foreach ((string port, byte[] frame, VirtioNetHeader offload) in frames)
        {
            Span<byte> buffer = Around(_burst.Count, frame.Length);
            buffer.Fill(Dirt);
            frame.CopyTo(buffer[PacketContext.Headroom..]);
            _burst.Add(new BurstFrame
            {
                Buffer = _burst.Count,
                Start = PacketContext.Headroom,
                Length = frame.Length,
                Offload = offload,
                IngressPort = State.Ports[port].Id,
            });
        }
    }

    private Delivery Deliver(in BurstFrame got, int receivedLength, IReadOnlyList<OutboxFrame> outbox)
    {
        Span<byte> buffer = Around(got.Buffer, receivedLength);
        CheckCanaries(buffer, got, receivedLength);
        bool leaves = got.Verdict == Verdict.Transmit;
        return new Delivery(
            got.Verdict,
            got.Reason,
            got.ReasonDetail,
            leaves ? NameOf(got.EgressPort) : null,
            leaves ? buffer.Slice(got.Start, got.Length).ToArray() : [],
            got.Offload,
            outbox);
    }

    /// <summary>A frame's place with what lies before and behind it.</summary>
    private Span<byte> Around(int buffer, int frameLength) =>
        _frames.RoomOf(buffer)[..(PacketContext.Headroom + frameLength + Tailroom)];

    /// <summary>No stage may write before the frame, received or left; behind it only an answer that is longer than its question may lie.</summary>
    private static void CheckCanaries(ReadOnlySpan<byte> buffer, in BurstFrame got, int receivedLength)
    {
        int end = Math.Max(PacketContext.Headroom + receivedLength, got.Start + got.Length);
        if (buffer[..Math.Min(PacketContext.Headroom, got.Start)].ContainsAnyExcept(Dirt))
        {
            throw new InvalidOperationException("a stage wrote before the frame");
        }

        if (buffer[end..].ContainsAnyExcept(Dirt))
        {
            throw new InvalidOperationException("a stage wrote behind the frame");
        }
    }

    private List<OutboxFrame> TakeOutbox()
    {
        var frames = new List<OutboxFrame>();
        do
        {
            foreach (LiveTables live in AllLive)
            {
                Take(live.Outbox, frames);
            }
        }
        while (_workers.ProcessReleased(State.Current, Now));

        return frames;
    }

    private void Take(Outbox outbox, List<OutboxFrame> frames)
    {
        while (outbox.TryTake(out int port, out Span<byte> frame))
        {
            frames.Add(new OutboxFrame(NameOf(port), frame[VirtioNetHeader.Length..].ToArray(), VirtioNetHeader.Read(frame)));
        }
    }
}
