using System.Buffers.Binary;
using ClusterMesh.Datapath.State.Desired;
using ClusterMesh.Datapath.Testing;
using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.Pipeline.Tests.Scenarios;

/// <summary>A node that tunnels, with pods of one family and tunnels over either. Whole frames are compared, outer headers included.</summary>
public sealed class TunnelScenario
{
    /// <summary>Pods whose identity nobody told.</summary>
    public const uint Vni = NumericIdentity.Init;

    private readonly bool? _hasChecksum;

    public TunnelScenario(Family inner, Family outer, bool? hasChecksum = null, int? workerCount = null, Func<LocalNodeSpec, LocalNodeSpec>? local = null)
    {
        _hasChecksum = hasChecksum;
        bool isIpv4 = outer == Family.Ipv4;
        var spec = new TunnelSpec(TunnelFrames.Port, isIpv4, hasChecksum ?? !isIpv4, InheritsDscp: false);
        Node = new TestNode(workerCount: workerCount, local: l => (local is null ? l : local(l)) with { Tunnel = spec });
        Mesh = new Mesh(inner);
        Underlay = new Mesh(outer);
        IpPrefix[] Cidrs(string ipv4) => [new Mesh(Family.Ipv4).Prefix(ipv4), new Mesh(Family.Ipv6).Prefix(ipv4)];
        IpAddress[] Both(Func<Mesh, IpAddress> select) => [select(new Mesh(Family.Ipv4)), select(new Mesh(Family.Ipv6))];
        Node.Apply(new()
        {
            Nodes =
            [
                new NodeSpec("west-control-plane", "west", Both(m => m.ControlPlane), Cidrs("10.0.0.0/24"), "test") { ClusterId = 1 },
                new NodeSpec("east-worker", "east", Both(m => m.EastWorker), Cidrs("10.1.1.0/24"), "test") { ClusterId = 2 },
                new NodeSpec("east-far", "east", Both(m => m.At("172.19.0.9")), Cidrs("10.1.9.0/24"), "test") { ClusterId = 2 },
            ],
        });
    }

    /// <summary>Inner and outer family, for a theory.</summary>
    public static TheoryData<Family, Family> Families => new()
    {
        { Family.Ipv4, Family.Ipv4 }, { Family.Ipv6, Family.Ipv4 }, { Family.Ipv4, Family.Ipv6 }, { Family.Ipv6, Family.Ipv6 },
    };

    public TestNode Node { get; }

    /// <summary>Pods and services.</summary>
    public Mesh Mesh { get; }

    /// <summary>Nodes, as the outer headers name them.</summary>
    public Mesh Underlay { get; }

    public int Mtu => Underlay.IsIpv4 ? 1450 : 1430;

    /// <summary>A frame that a node sends through its tunnel.</summary>
    public byte[] Arriving(TestPacket inner, IpAddress? from = null, uint vni = Vni, Func<TestPacket, TestPacket>? change = null)
    {
        IpAddress node = from ?? Underlay.EastWorker;
        byte[] frame = inner.Frame(TunnelFrames.MacOf(node), TunnelFrames.MacOf(Underlay.Node));
        return Arriving(frame, node, vni, change);
    }

    public byte[] Arriving(byte[] inner, IpAddress from, uint vni = Vni, Func<TestPacket, TestPacket>? change = null)
    {
        TestPacket outer = TunnelFrames.Around(inner, from, Underlay.Node, vni, hasChecksum: _hasChecksum);
        return (change is null ? outer : change(outer)).Frame(TestNode.MacOf(Underlay.EastWorker), TestNode.UplinkMac);
    }

    /// <summary>The packet leaves in a tunnel to a node, as this; says from which outer port.</summary>
    public int Wraps(string from, byte[] sent, IpAddress to, TestPacket wanted, uint vni = Vni, VirtioNetHeader offload = default)
    {
        Delivery got = Node.Send(from, sent, offload);
        Assert.True(got.Verdict == Verdict.Transmit, $"{FrameText.Line(sent)}: {got}");
        return IsWrapped(got, sent, to, wanted, vni);
    }

    public int Wraps(string from, TestPacket sent, IpAddress to, TestPacket wanted, uint vni = Vni) => Wraps(from, Node.Arriving(from, sent), to, wanted, vni);

    /// <summary>The tunnelled packet arrives at a port without its outer headers, as this.</summary>
    public void Unwraps(TestPacket sent, string to, TestPacket wanted, IpAddress? from = null, uint vni = Vni)
    {
        byte[] arriving = Arriving(sent, from, vni);
        Scenario.Same(Node.Send(TestNode.Uplink, arriving), arriving, to, Node.Leaving(to, wanted, default));
    }

    public void Drops(string from, byte[] sent, DropReason reason)
    {
        Delivery got = Node.Send(from, sent);
        Assert.True(got.Verdict == Verdict.Drop && got.Reason == reason, $"wanted drop {reason} of {FrameText.Line(sent)}, but: {got}");
    }

    /// <summary>A frame that left by the uplink is this packet in a tunnel.</summary>
    public int IsWrapped(Delivery got, byte[] sent, IpAddress to, TestPacket wanted, uint vni = Vni)
    {
        byte[] inner = wanted.Frame(TunnelFrames.MacOf(Underlay.Node), TunnelFrames.MacOf(to));
        byte[] frame = Offload.Complete(got.Frame, got.Offload);
        int port = SourcePortOf(frame);
        Assert.InRange(port, 49152, 65535);
        TestPacket outer = TunnelFrames.Around(inner, Underlay.Node, to, vni, port, _hasChecksum);
        IpAddress nextHop = to == Underlay.At("172.19.0.9") ? Underlay.Gateway : to;
        Scenario.Same(got with { Frame = frame }, sent, TestNode.Uplink, outer.Frame(TestNode.UplinkMac, TestNode.MacOf(nextHop)));
        return port;
    }

    public static int SourcePortOf(byte[] frame) => BinaryPrimitives.ReadUInt16BigEndian(frame.AsSpan(frame[12] == 0x08 ? 34 : 54));
}
