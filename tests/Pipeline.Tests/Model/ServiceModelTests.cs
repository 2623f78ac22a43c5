using System.Globalization;
using ClusterMesh.Datapath.Pipeline.Tests.Scenarios;
using ClusterMesh.Datapath.State.Desired;
using ClusterMesh.Datapath.Testing;
using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.Pipeline.Tests.Model;

/// <summary>
/// Random services, packets and time happen to a node, with the shortcut, and to the model; every packet must meet what the model allows. The seed
/// stands in the name of the test that fails. CMESH_MODEL_STEPS sets how long: 250000 makes a million over the four seeds.
/// </summary>
public sealed class ServiceModelTests
{
    private const int DefaultSteps = 20_000;
    private static readonly int s_steps = int.Parse(Environment.GetEnvironmentVariable("CMESH_MODEL_STEPS") ?? $"{DefaultSteps}", CultureInfo.InvariantCulture);
    private static readonly double[] s_waits = [0, 0.1, 0.9, 1, 5, 29.5, 59, 60, 61, 7999, 8001];
    private static readonly TcpFlags[] s_flags = [TcpFlags.Syn, TcpFlags.Syn, TcpFlags.Ack, TcpFlags.Ack, TcpFlags.Ack, TcpFlags.Ack | TcpFlags.Psh, TcpFlags.Fin | TcpFlags.Ack, TcpFlags.Rst];
    private static readonly string[] s_localBackends = ["10.0.1.14", "10.0.1.162"];
    private static readonly string[] s_backends = ["10.0.1.14", "10.0.1.162", "10.0.0.33", "10.1.1.2", "10.1.1.3", "10.1.1.4"];

    [Theory]
    [InlineData(1, Family.Ipv4)]
    [InlineData(2, Family.Ipv6)]
    [InlineData(3, Family.Ipv4)]
    [InlineData(4, Family.Ipv6)]
    public void Every_packet_meets_what_the_model_says(int seed, Family family)
    {
        var random = new Random(seed);
        var mesh = new Mesh(family);
        LoadBalancerSpec options = new() { MaglevTableSize = 251 };
        var node = new TestNode((ulong)seed, conntrackCapacity: 8192, snatCapacity: 8192, local: local => local with { LoadBalancer = options });
        node.Apply(new() { Replace = true, Services = [] });
        var model = new ServiceModel("west-worker", "west");
        foreach (string name in (string[])["tcp", "udp"])
        {
            Change(random, mesh, name, node, model);
        }

        var met = new Dictionary<DropReason, int>();
        for (int step = 0; step < s_steps; step++)
        {
            switch (random.Next(100))
            {
                case < 3:
                    Change(random, mesh, random.Next(2) == 0 ? "tcp" : "udp", node, model);
                    break;
                case < 8:
                    node.Wait(s_waits[random.Next(s_waits.Length)]);
                    break;
                case 8:
                    node.Sweep();
                    break;
                default:
                    DropReason reason = Send(random, mesh, node, model, $"seed {seed}, step {step}");
                    met[reason] = met.GetValueOrDefault(reason) + 1;
                    break;
            }
        }

        // It was no walk through one field only.
        Assert.All((DropReason[])[DropReason.None, DropReason.SourceRange, DropReason.ClusterIp, DropReason.NoBackend], reason => Assert.InRange(met.GetValueOrDefault(reason), s_steps / 1000, s_steps));
        Assert.InRange(node.Live.Shortcuts.TakenCount, (ulong)(TestNode.HasShortcut ? s_steps / 100 : 0), (ulong)s_steps);
    }

    private static void Change(Random random, Mesh mesh, string name, TestNode node, ServiceModel model)
    {
        bool isTcp = name == "tcp";
        string[] some = [.. s_backends.Where(_ => random.Next(3) != 0)];
        var service = new ServiceSpec(
            name, isTcp ? IpProtocol.Tcp : IpProtocol.Udp,
            [
                new FrontendSpec(ServiceType.ClusterIP, mesh.ClusterIp, 80),
                new FrontendSpec(ServiceType.NodePort, null, 30080),
                new FrontendSpec(ServiceType.LoadBalancer, mesh.BalancerIp, 80),
            ],
            [.. some.Select(address => new BackendSpec(
                mesh.At(address), 8080, address.StartsWith("10.1.", StringComparison.Ordinal) ? "east" : "west",
                random.Next(5) == 0 ? "" : address.StartsWith("10.0.1.", StringComparison.Ordinal) ? "west-worker" : "another",
                random.Next(2) == 0 ? BackendState.Active : (BackendState)random.Next(5)))],
            "model")
        {
            AffinitySeconds = random.Next(2) == 0 ? 0u : (uint)random.Next(1, 90),
            Algorithm = random.Next(3) == 0 ? LoadBalancingAlgorithm.Maglev : null,
            IsExternalLocal = random.Next(3) == 0,
            IsInternalLocal = random.Next(3) == 0,
            IsGlobal = random.Next(2) == 0,
            Affinity = (ClusterAffinity)random.Next(3),
            SourceRanges = random.Next(3) == 0 ? [mesh.Prefix("203.0.113.2/32")] : [],
            DeniesSourceRanges = random.Next(2) == 0,
            Forwarding = random.Next(2) == 0 ? null : (ForwardingMode)random.Next(3),
        };
        node.Apply(new() { Services = [service] });
        model.Apply(service);
    }

    private static DropReason Send(Random random, Mesh mesh, TestNode node, ServiceModel model, string where)
    {
        bool isTcp = random.Next(2) == 0;
        bool isInside = random.Next(2) == 0;
        IpAddress client = isInside ? mesh.CurlPod : mesh.At($"203.0.113.{random.Next(1, 4)}");
        (ServiceType type, IpAddress at, ushort port) = random.Next(3) switch
        {
            0 => (ServiceType.ClusterIP, mesh.ClusterIp, (ushort)80),
            1 => (ServiceType.NodePort, mesh.Node, (ushort)30080),
            _ => (ServiceType.LoadBalancer, mesh.BalancerIp, (ushort)80),
        };
        TestPacket packet = isTcp
            ? TestPacket.Tcp(client, 1000 + random.Next(6), at, port, s_flags[random.Next(s_flags.Length)])
            : TestPacket.Udp(client, 1000 + random.Next(6), at, port);
        TcpFlags flags = isTcp ? packet.Flags : TcpFlags.None;
        string service = isTcp ? "tcp" : "udp";
        var flow = new FlowKey(client, at, packet.SourcePort, port, packet.Protocol);
        Forecast forecast = model.Of(flow, flags, service, type, isInside, (key, hasPort) => Hashed(node, key, isInside, hasPort), node.Now);
        Delivery got = node.Send(isInside ? TestNode.Curl : TestNode.Uplink, packet);
        string told = $"{where}: {flow} {flags}: the model says {forecast.Reason} {string.Join(' ', forecast.Backends)}, but: {got}";
        Assert.True(got.Reason == forecast.Reason && got.Verdict == (forecast.Reason == DropReason.None ? Verdict.Transmit : Verdict.Drop), told);
        if (forecast.Reason == DropReason.None)
        {
            IpAddress backend = new TestPacketView(got).Destination;
            Assert.True(forecast.Backends.Contains(backend), told);
            model.Happened(flow, flags, service, forecast, isInside, backend, node.Now);
            Answer(random, mesh, node, flow, backend, Translated(mesh, model, flow, flags, isInside, backend, got, told), told);
        }

        return forecast.Reason;
    }

    /// <summary>Looks at the whole tuple of the packet that left, and at its option; says under what source the backend sees it, null when its answer goes another way.</summary>
    private static FlowKey? Translated(Mesh mesh, ServiceModel model, FlowKey flow, TcpFlags flags, bool isInside, IpAddress backend, Delivery got, string told)
    {
        Assert.True(SteeringKey.TryRead(got.Frame, out SteeringKey read), told);
        bool isRemote = got.Port == TestNode.Uplink;
        bool isUnder = read.Key.Source == mesh.Node;
        bool isOptioned = mesh.IsIpv4 ? got.Frame[14] == 0x47 : got.Frame[20] == (byte)IpProtocol.DestinationOptions;
        Assert.True((read.Key.Destination, read.Key.DestinationPort) == (backend, 8080), told);
        Assert.Equal(!s_localBackends.Select(mesh.At).Contains(backend), isRemote);
        if (isInside || !isRemote)
        {
            Assert.True((read.Key.Source, read.Key.SourcePort, isOptioned) == (flow.Source, flow.SourcePort, false), told);
            return read.Key;
        }

        // A flow that was masqueraded stays so, whatever its client's next choice is; none becomes so.
        bool isDirect = model.IsDirect(flow) && !isUnder;
        Assert.True(isUnder || (isDirect && (read.Key.Source, read.Key.SourcePort) == (flow.Source, flow.SourcePort)), $"{told}: neither masqueraded nor direct");
        Assert.True(isOptioned == (isDirect && (flow.Protocol == IpProtocol.Udp || (flags & TcpFlags.Syn) != 0)), $"{told}: option {isOptioned}");
        return isDirect ? null : read.Key;
    }

    /// <summary>Now and then the backend answers, and the client must hear what it asked.</summary>
    private static void Answer(Random random, Mesh mesh, TestNode node, FlowKey flow, IpAddress backend, FlowKey? seen, string told)
    {
        if (seen is not { } key || random.Next(2) == 0)
        {
            return;
        }

        TestPacket answer = TestPacket.Of(flow.Protocol, key.Destination, key.DestinationPort, key.Source, key.SourcePort) with { Flags = s_flags[random.Next(s_flags.Length)] | TcpFlags.Ack };
        int local = Array.FindIndex(s_localBackends, a => mesh.At(a) == backend);
        Delivery got = node.Send(local switch { 0 => TestNode.Web1, 1 => TestNode.Web2, _ => TestNode.Uplink }, answer);
        Assert.True(got.Verdict == Verdict.Transmit && SteeringKey.TryRead(got.Frame, out SteeringKey read) && read.Key == flow.Reversed, $"{told}; its answer {answer.Flags}: {got}");
    }

    /// <summary>The candidate of the node's own table: that it is the right table, others test.</summary>
    private static IpAddress? Hashed(TestNode node, FlowKey flow, bool isInside, bool hasPort)
    {
        Assert.True(node.State.Current.Services.TryFind(flow.Destination, flow.DestinationPort, flow.Protocol, out Frontend? frontend));
        BackendSet set = (isInside ? frontend!.Internal ?? frontend : frontend!).Set;
        return set.Maglev is { } maglev ? set.Candidate(maglev[maglev.IndexOf(flow, hasPort)]).Address : null;
    }
}
