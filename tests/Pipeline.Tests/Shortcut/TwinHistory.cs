using System.Buffers.Binary;
using ClusterMesh.Datapath.Pipeline.Tests.Fuzz;
using ClusterMesh.Datapath.State.Desired;
using ClusterMesh.Datapath.Testing;
using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.Pipeline.Tests.Shortcut;

/// <summary>
/// What can happen to a node, each by a number: packets of a few flows in every direction, alone and in bursts, time, expiry, other configuration,
/// neighbours that move, fail and come back, entries that are taken away.
/// </summary>
internal sealed class TwinHistory(TwinNodes twins)
{
    private static readonly double[] s_waits = [0, 0.5, 1, 2, 9, 10, 11, 29, 30, 31, 59, 60, 61, 7999, 8000, 8001];
    private static readonly TcpFlags[] s_flags =
    [
        TcpFlags.Ack, TcpFlags.Ack, TcpFlags.Ack, TcpFlags.Ack | TcpFlags.Psh, TcpFlags.None, TcpFlags.Ack | TcpFlags.Urg | TcpFlags.Ece | TcpFlags.Cwr,
        TcpFlags.Syn, TcpFlags.Syn | TcpFlags.Ack, TcpFlags.Fin | TcpFlags.Ack, TcpFlags.Rst,
    ];

    private readonly SeedFrame[] _seeds = SeedFrame.All(twins.Without);

    public void Happen(int what)
    {
        var random = new Random(what);
        switch (random.Next(60))
        {
            case 0 or 1:
                double seconds = s_waits[random.Next(s_waits.Length)];
                twins.Do(node => node.Wait(seconds));
                break;
            case 2 or 3:
                twins.Tick();
                break;
            case 4:
                twins.Do(node => node.Sweep());
                break;
            case 5:
                ServiceSpec service = Service(random);
                twins.Do(node => node.Apply(new() { Services = [service] }));
                break;
            case 6:
                MasqueradeSpec masquerade = random.Next(3) == 0 ? TestNode.MasqueradeOf() : TestNode.MasqueradeOf("10.1.0.0/16", "169.254.0.0/16");
                twins.Do(node => node.Apply(new() { Masquerade = masquerade }));
                break;
            case 7:
                Route(random);
                break;
            case 8 or 9:
                Neighbor(random);
                break;
            case 10:
                TakeAway(random);
                break;
            case 11:
                ForgetNeighbors(random);
                break;
            case < 20:
                twins.Send([.. Enumerable.Range(0, random.Next(1, Burst.MaxCount + 1)).Select(_ => Frame(random))]);
                break;
            default:
                SentFrame frame = Frame(random);
                for (int i = random.Next(1, 4); i > 0; i--)
                {
                    twins.Send(frame);
                }

                break;
        }
    }

    private SentFrame Frame(Random random)
    {
        if (random.Next(10) == 0)
        {
            SeedFrame hostile = new FrameMutator(_seeds, random).Next();
            return new SentFrame(hostile.Port, hostile.Bytes, hostile.Offload);
        }

        if (random.Next(20) == 0)
        {
            return SuperPacket(random);
        }

        SeedFrame seed = _seeds[random.Next(_seeds.Length)];
        byte[] bytes = [.. seed.Bytes];
        bool isIpv4 = bytes[12] == 0x08 && bytes[13] == 0x00;
        if (isIpv4 && bytes[14] == 0x45 && bytes[23] == (byte)IpProtocol.Tcp)
        {
            bytes[47] = (byte)s_flags[random.Next(s_flags.Length)];
        }

        if (isIpv4 && random.Next(10) == 0)
        {
            bytes[22] = (byte)random.Next(4); // A hop limit that may be its last.
            bytes.AsSpan(24, 2).Clear();
            BinaryPrimitives.WriteUInt16BigEndian(bytes.AsSpan(24), InternetChecksum.Compute(bytes.AsSpan(14, (bytes[14] & 15) * 4)));
        }

        if (isIpv4 && bytes[14] == 0x45 && random.Next(20) == 0)
        {
            return new SentFrame(seed.Port, Mapped(bytes), default);
        }

        return new SentFrame(seed.Port, random.Next(10) == 0 ? [.. bytes, .. new byte[random.Next(20)]] : bytes, seed.Offload);
    }

    /// <summary>Its segments are about as long as the MTU.</summary>
    private SentFrame SuperPacket(Random random)
    {
        var mesh = new Mesh((Family)random.Next(2));
        TestPacket packet = TestPacket.Tcp(mesh.CurlPod, 40000, random.Next(2) == 0 ? mesh.ClusterIp : mesh.Outside, 80) with { Payload = new byte[3000] };
        byte[] bytes = twins.With.Arriving(TestNode.Curl, packet);
        return new SentFrame(TestNode.Curl, bytes, Offload.MakePartial(bytes, mesh.IsIpv4 ? VirtioGsoType.Tcp4 : VirtioGsoType.Tcp6, (ushort)random.Next(1420, 1470)));
    }

    /// <summary>The tuple of an IPv4 packet as the program holds it, on the wire: an IPv6 packet that must not pass for it.</summary>
    private static byte[] Mapped(byte[] ipv4)
    {
        byte[] header = new byte[IpHeader.Ipv6Length];
        header[0] = 0x60;
        BinaryPrimitives.WriteUInt16BigEndian(header.AsSpan(4), (ushort)(ipv4.Length - 34));
        header[6] = ipv4[23];
        header[7] = 64;
        IpAddress.FromBytes(ipv4.AsSpan(26, 4)).WriteTo(header.AsSpan(8, 16));
        IpAddress.FromBytes(ipv4.AsSpan(30, 4)).WriteTo(header.AsSpan(24, 16));
        return [.. ipv4[..12], 0x86, 0xDD, .. header, .. ipv4[34..]];
    }

    private static ServiceSpec Service(Random random)
    {
        Func<Mesh, IpAddress>[] all = [m => m.Webpod1, m => m.Webpod2, m => m.EastPod, m => m.CurlPod, m => m.Outside];
        ServiceSpec service = TestNode.Service(
            "default/webpod",
            random.Next(3) == 0 ? IpProtocol.Udp : IpProtocol.Tcp,
            80,
            30080,
            (ushort)(random.Next(2) * 8000 + 80),
            random.Next(10) == 0 ? [] : [.. all.Where(_ => random.Next(3) != 0)]);
        return service with
        {
            Backends = [.. service.Backends.Select(b => random.Next(5) == 0 ? b with { State = (BackendState)random.Next(5) } : b)],
            AffinitySeconds = random.Next(2) == 0 ? 0u : (uint)random.Next(1, 100),
            Forwarding = random.Next(2) == 0 ? null : (ForwardingMode)random.Next(3),
            Algorithm = random.Next(3) == 0 ? LoadBalancingAlgorithm.Maglev : null,
            IsExternalLocal = random.Next(4) == 0,
            IsInternalLocal = random.Next(4) == 0,
        };
    }

    /// <summary>The outside is behind the gateway, behind another neighbour, or nowhere different.</summary>
    private void Route(Random random)
    {
        var mesh = new Mesh((Family)random.Next(2));
        IpAddress via = random.Next(2) == 0 ? mesh.Neighbor : mesh.Gateway;
        twins.Do(node => node.Apply(new() { Routes = [new RouteSpec(IpPrefix.Host(mesh.Outside), via, "test")] }));
    }

    private void Neighbor(Random random)
    {
        var mesh = new Mesh((Family)random.Next(2));
        IpAddress[] known = [mesh.Gateway, mesh.EastWorker, mesh.ControlPlane, mesh.Neighbor];
        IpAddress address = known[random.Next(known.Length)];
        var mac = new MacAddress(0x0200_AC12_0000 + (ulong)random.Next(8));
        MonoTime at = twins.With.Now;
        switch (random.Next(3))
        {
            case 0:
                twins.Do(node => node.Live.Neighbors.Learn(address, mac, isSolicited: false, create: true, at));
                break;
            case 1:
                bool isSolicited = random.Next(2) == 0;
                twins.Do(node => node.Live.Neighbors.Learn(address, mac, isSolicited, create: false, at));
                break;
            default:
                twins.Do(node => node.Live.Neighbors.Confirm(address, at));
                break;
        }
    }

    /// <summary>Those that are used are asked, do not answer, fail and go; they come back elsewhere in the table.</summary>
    private void ForgetNeighbors(Random random)
    {
        twins.Do(node => node.Wait(31));
        twins.Send([.. Enumerable.Range(0, 8).Select(_ => Frame(random))]);
        for (int i = 0; i < 5; i++)
        {
            twins.Do(node => node.Wait(1.1));
            twins.Tick();
        }

        twins.Do(node => node.Wait(31));
        twins.Tick();
        Family[] families = [Family.Ipv4, Family.Ipv6];
        random.Shuffle(families);
        foreach (Family family in families)
        {
            var mesh = new Mesh(family);
            IpAddress[] back = [mesh.Gateway, mesh.EastWorker, mesh.ControlPlane, mesh.Neighbor];
            random.Shuffle(back);
            foreach (IpAddress address in back)
            {
                twins.Do(node => node.Live.Neighbors.Learn(address, TestNode.MacOf(address), isSolicited: true, create: true, node.Now));
            }
        }
    }

    private void TakeAway(Random random)
    {
        int flow = random.Next(twins.With.Live.Conntrack.Capacity);
        int mapping = random.Next(twins.With.Live.Snat.Capacity);
        bool isFlow = random.Next(2) == 0;
        twins.Do(node =>
        {
            if (isFlow && (node.Live.Conntrack[flow].Flags & ConntrackFlags.Used) != 0)
            {
                node.Live.Conntrack.Remove(flow);
            }
            else if (!isFlow && node.Live.Snat[mapping].IsUsed)
            {
                node.Live.Snat.Remove(mapping, node.Live.Conntrack, node.Now);
            }
        });
    }
}
