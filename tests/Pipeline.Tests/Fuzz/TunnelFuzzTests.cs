using System.Globalization;
using ClusterMesh.Datapath.Pipeline.Tests.Scenarios;
using ClusterMesh.Datapath.Testing;
using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.Pipeline.Tests.Fuzz;

/// <summary>
/// Hostile frames around, inside and into tunnels. Whatever comes: no exception, nothing written beside the frame, and what leaves, with or without outer
/// headers, is a valid frame that fits its link. CMESH_FUZZ_SEED and CMESH_FUZZ_COUNT run others: 10,000,000 take some minutes.
/// </summary>
[Trait("Category", "Fuzz")]
public sealed class TunnelFuzzTests
{
    private const int DefaultCount = 200_000;
    private const int FramesPerStep = 1000;

    [Theory]
    [InlineData(Family.Ipv4)]
    [InlineData(Family.Ipv6)]
    public void Nothing_invalid_leaves_a_tunnel_or_goes_into_one(Family outer)
    {
        int seed = Setting("CMESH_FUZZ_SEED", 8472);
        int count = Setting("CMESH_FUZZ_COUNT", DefaultCount) / 2;
        var random = new Random(seed);
        var s = new TunnelScenario(Family.Ipv4, outer);
        SeedFrame[] inside = [.. Insides(s)];
        var insides = new FrameMutator(inside, random);
        var wrapped = new FrameMutator([.. inside.Select(i => i with { Bytes = s.Arriving(i.Bytes, s.Underlay.EastWorker) })], random);
        var plain = new FrameMutator(SeedFrame.All(s.Node), random);
        int unwrapped = 0;
        int tunnelled = 0;
        for (int i = 0; i < count; i++)
        {
            SeedFrame frame = Next(s, insides, wrapped, plain, random);
            try
            {
                Delivery got = s.Node.Send(frame.Port, frame.Bytes, frame.Offload);
                Check(frame, got, s);
                bool isWrapped = IsTunnelled(got, s);
                CheckInside(frame, got);
                tunnelled += isWrapped ? 1 : 0;
                unwrapped += got.Verdict == Verdict.Transmit && got.Port != TestNode.Uplink && got.Frame.Length < frame.Bytes.Length ? 1 : 0;
                if (i % FramesPerStep == 0)
                {
                    s.Node.Wait(random.Next(90));
                    s.Node.Tick();
                    s.Node.Sweep();
                    s.Node.Resolve(s.Underlay.EastWorker);
                    s.Node.Resolve(s.Underlay.ControlPlane);
                }
            }
            catch (Exception e)
            {
                Assert.Fail($"seed {seed}, frame {i} by {frame.Port}, {frame.Offload}: {FrameText.Line(frame.Bytes)}\n{Convert.ToHexString(frame.Bytes)}\n{e}");
            }
        }

        // Most of what was whole must have got through, or this tests the first check alone.
        Assert.True(unwrapped > count / 10 && tunnelled > count / 100, $"of {count} only {unwrapped} came out of a tunnel and {tunnelled} went into one");
    }

    private static SeedFrame Next(TunnelScenario s, FrameMutator insides, FrameMutator wrapped, FrameMutator plain, Random random)
    {
        switch (random.Next(3))
        {
            case 0:
                SeedFrame inner = insides.Next();
                byte[] frame = s.Arriving(inner.Bytes, s.Underlay.EastWorker, random.Next(8) == 0 ? (uint)random.Next(1 << 24) : TunnelScenario.Vni);
                return new SeedFrame(TestNode.Uplink, frame, inner.Offload.Tunnelled(TunnelFrames.OuterLength(frame), s.Underlay.IsIpv4));
            case 1:
                return wrapped.Next();
            default:
                return plain.Next();
        }
    }

    /// <summary>What the other node's pods send, of both families.</summary>
    private static IEnumerable<SeedFrame> Insides(TunnelScenario s)
    {
        foreach (Family family in Enum.GetValues<Family>())
        {
            var m = new Mesh(family);
            TestPacket[] packets =
            [
                TestPacket.Tcp(m.EastPod, 80, m.CurlPod, 40000), TestPacket.Udp(m.EastPod, 53, m.CurlPod, 40000), TestPacket.Udp(m.EastPod, 53, m.WestPod, 40000),
                TestPacket.Udp(m.EastPod, 53, m.CurlPod, 40000) with { Payload = new byte[1400] },
                TestPacket.EchoRequest(m.EastPod, m.CurlPod, 7), TestPacket.EchoReply(m.EastPod, m.CurlPod, 7), TestPacket.EchoRequest(m.EastPod, m.Router, 7),
                TestPacket.Error(m.EastWorker, IcmpTrouble.TooBig, TestPacket.Udp(m.CurlPod, 40000, m.EastPod, 53)),
                TestPacket.Udp(m.EastPod, 1024, m.CurlPod, 80) with { Payload = new byte[300] },
                (TestPacket.Udp(m.EastPod, 1024, m.CurlPod, 80) with { Payload = new byte[300] }).Fragment(0, 160),
                TestPacket.Tcp(m.EastPod, 80, m.Router, 40000), TestPacket.Udp(m.EastPod, 80, m.CurlPod, 33434) with { HopLimit = 1 },
            ];
            foreach (TestPacket packet in packets)
            {
                byte[] frame = packet.Frame(TunnelFrames.MacOf(s.Underlay.EastWorker), TunnelFrames.MacOf(s.Underlay.Node));
                yield return new SeedFrame(TestNode.Uplink, frame, default);
                if (packet is { Protocol: IpProtocol.Tcp or IpProtocol.Udp, RawTransport: null })
                {
                    byte[] partial = [.. frame];
                    VirtioGsoType type = packet.Protocol == IpProtocol.Udp ? VirtioGsoType.UdpL4 : family == Family.Ipv4 ? VirtioGsoType.Tcp4 : VirtioGsoType.Tcp6;
                    yield return new SeedFrame(TestNode.Uplink, partial, Offload.MakePartial(partial, type, 10));
                }
            }
        }
    }

    /// <summary>By this node: what others send through tunnels of theirs, and comes by, is theirs.</summary>
    private static bool IsTunnelled(Delivery got, TunnelScenario s) =>
        got.Verdict == Verdict.Transmit && got.Port == TestNode.Uplink && FrameCheck.Of(got.Frame) is { IsIp: true, Protocol: 17 } check && check.IsIpv4 == s.Underlay.IsIpv4 && SourceOf(got.Frame, check.IsIpv4) == s.Underlay.Node
        && got.Frame.Length > check.TransportStart + 16 && got.Frame[check.TransportStart + 2] == TunnelFrames.Port >> 8 && got.Frame[check.TransportStart + 3] == (TunnelFrames.Port & 0xFF)
        && got.Frame.AsSpan(0, 6).SequenceEqual(MacBytes(TestNode.MacOf(s.Underlay.EastWorker))) && got.Frame[TunnelFrames.OuterLength(got.Frame) - 8] == 8;

    private static IpAddress SourceOf(byte[] frame, bool isIpv4) => IpAddress.FromBytes(isIpv4 ? frame.AsSpan(26, 4) : frame.AsSpan(22, 16));

    private static byte[] MacBytes(MacAddress mac)
    {
        byte[] bytes = new byte[MacAddress.Length];
        mac.WriteTo(bytes);
        return bytes;
    }

    /// <summary>What was put into a tunnel, or came out of one, is as good as it was.</summary>
    private static void CheckInside(SeedFrame sent, Delivery got)
    {
        if (got.Verdict != Verdict.Transmit || got.Port == sent.Port || sent.Bytes.Length < 60)
        {
            return;
        }

        bool isWrapped = got.Port == TestNode.Uplink && IsToTunnels(got.Frame) && !(IsToTunnels(sent.Bytes) && got.Frame.Length <= sent.Bytes.Length);
        VirtioNetHeader after = isWrapped ? got.Offload.Inner(TunnelFrames.OuterLength(got.Frame)) : got.Offload;
        byte[] frame = isWrapped ? TunnelFrames.Inside(got.Frame) : got.Frame;
        string? loss = FrameValidity.Loss(sent.Bytes, sent.Offload, frame, after);
        if (loss is not null && sent.Port == TestNode.Uplink && IsToTunnels(sent.Bytes))
        {
            int outer = TunnelFrames.OuterLength(sent.Bytes);
            loss = FrameValidity.Loss(sent.Bytes[outer..], sent.Offload.Inner(outer), frame, after);
        }

        Require(loss is null, loss ?? "", got);
    }

    private static bool IsToTunnels(byte[] frame) => FrameCheck.Of(frame) is { IsIp: true, Protocol: 17 } check && frame.Length > TunnelFrames.OuterLength(frame) + 34
        && check.TransportStart + 16 == TunnelFrames.OuterLength(frame)
        && frame[check.TransportStart + 2] == TunnelFrames.Port >> 8 && frame[check.TransportStart + 3] == (TunnelFrames.Port & 0xFF);

    private static void Check(SeedFrame sent, Delivery got, TunnelScenario s)
    {
        foreach (OutboxFrame beside in got.Outbox)
        {
            string? wrong = FrameValidity.Fault(beside.Frame, isHost: true); // It may have waited, and nobody says whose it is.
            Require(wrong is null, $"beside: {wrong}: {Convert.ToHexString(beside.Frame)}", got);
            FrameCheck check = FrameCheck.Of(beside.Frame);
            Require(!check.IsIp || check.HasValidHeader, $"a wrong frame beside: {Convert.ToHexString(beside.Frame)}", got);
        }

        if (got.Verdict != Verdict.Transmit)
        {
            return;
        }

        bool isHost = sent.Port == TestNode.Host || got.Port == TestNode.Host;
        string? fault = FrameValidity.Fault(got.Frame, isHost);
        Require(fault is null, fault ?? "", got);
        FrameCheck whole = FrameCheck.Of(got.Frame);
        bool isArp = got.Frame[12] == 0x08 && got.Frame[13] == 0x06;
        Require(isArp || (whole.IsIp && whole.HasValidHeader), "what leaves is no IP", got);
        if (!IsTunnelled(got, s))
        {
            bool comesBy = sent.Port == TestNode.Uplink && got.Port == TestNode.Uplink && IsToTunnels(sent.Bytes) && IsToTunnels(got.Frame) && got.Frame.Length == sent.Bytes.Length;
            fault = comesBy ? FrameValidity.Loss(sent.Bytes, sent.Offload, got.Frame, got.Offload) : null;
            Require(fault is null, $"another's tunnel comes by and is worse for it: {fault}", got);
            return;
        }

        FrameCheck inner = FrameCheck.Of(TunnelFrames.Inside(got.Frame));
        fault = FrameValidity.Fault(TunnelFrames.Inside(got.Frame), isHost);
        Require(inner.IsIp && inner.HasValidHeader && fault is null, $"what is in the tunnel is no IP: {fault}", got);
        foreach (byte[] piece in got.Offload.IsTunnelled ? Offload.Cut(got.Frame, got.Offload) : [got.Frame])
        {
            FrameCheck outer = FrameCheck.Of(piece);
            fault = got.Offload.IsTunnelled ? FrameValidity.Fault(piece) ?? FrameValidity.Fault(TunnelFrames.Inside(piece), isHost) : null;
            Require(fault is null, $"a wrong piece: {fault}", got);
            Require(outer.IsIp && outer.HasValidHeader && FrameCheck.Of(TunnelFrames.Inside(piece)) is { IsIp: true, HasValidHeader: true }, "a wrong piece", got);
            Require(piece.Length <= EthernetHeader.Length + 1500, "a piece that does not fit", got);
            Require(got.Offload.HasPartialChecksum || s.Underlay.IsIpv4 || outer.Transport == ChecksumState.Valid, "a wrong outer checksum", got);
        }
    }

    private static void Require(bool holds, string otherwise, Delivery got)
    {
        if (!holds)
        {
            throw new InvalidOperationException($"{otherwise}: {got.Offload} {got}\n{Convert.ToHexString(got.Frame)}");
        }
    }

    private static int Setting(string name, int otherwise) =>
        int.TryParse(Environment.GetEnvironmentVariable(name), CultureInfo.InvariantCulture, out int value) ? value : otherwise;
}
