using ClusterMesh.Datapath.Pipeline;
using ClusterMesh.Datapath.Testing;
using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.Fuzz;

/// <summary>
/// Judges what a node sends, by rules of its own (<see cref="FrameCheck"/>, <see cref="FrameValidity"/>): what leaves is a valid frame that its link takes, and no
/// worse than what came. Knows nothing of services, policies or routes, only of frames.
/// </summary>
internal sealed class DeliveryCheck(TestNode node, bool isTunnelled, bool outerIsIpv4)
{
    private const int Mtu = 1500;

    public void Run(SeedFrame sent, Delivery got)
    {
        Require(got.Verdict != Verdict.Drop || got.Reason != DropReason.None, "dropped without a reason", sent, got);
        foreach (OutboxFrame beside in got.Outbox)
        {
            // One of the host's may have waited: its hop limit is its sender's affair.
            string? wrong = FrameValidity.Fault(beside.Frame, isHost: true);
            Require(wrong is null, $"beside: {wrong}: {Convert.ToHexString(beside.Frame)}", sent, got);
            Require(node.State.Ports.ContainsKey(beside.Port), $"a frame beside for port {beside.Port}", sent, got);
        }

        if (got.Verdict != Verdict.Transmit)
        {
            return;
        }

        Require(got.Port is not null && node.State.Ports.ContainsKey(got.Port), "it leaves by no port", sent, got);
        FrameCheck after = FrameCheck.Of(got.Frame);
        bool isHost = sent.Port == TestNode.Host || got.Port == TestNode.Host;
        string? fault = FrameValidity.Fault(got.Frame, isHost);
        Require(fault is null && (IsArp(got.Frame) || (after.IsIp && after.HasValidHeader)), $"what leaves is no valid frame: {fault}", sent, got);
        if (IsArp(got.Frame))
        {
            return;
        }

        if (isTunnelled && (IsWrapped(got, after) || got.Frame.Length < sent.Bytes.Length - OuterHeaders.LengthOf(isIpv4: true) + 1))
        {
            CheckWrapped(sent, got, after, isHost);
            return;
        }

        CheckPieces(sent, got);
        CheckSums(sent, got, after);
        bool isAnswer = got.Port == sent.Port && got.Offload == default;
        string? loss = isAnswer ? null : FrameValidity.Loss(sent.Bytes, sent.Offload, got.Frame, got.Offload);
        Require(loss is null, loss ?? "", sent, got);
    }

    /// <summary>Sums that held, or that a sane virtio header leaves to the device, hold.</summary>
    private static void CheckSums(SeedFrame sent, Delivery got, in FrameCheck after)
    {
        FrameCheck before = FrameCheck.Of(sent.Bytes);
        if (!before.IsIp || IsAdvertisement(got.Frame, after))
        {
            return;
        }

        Require(before.IsIpv4 == after.IsIpv4 && before.Protocol == after.Protocol, "another kind of packet", sent, got);
        Require(after.HopLimit <= before.HopLimit, "the hop limit has grown", sent, got);
        if (sent.Offload.HasPartialChecksum)
        {
            int offset = before.Protocol switch { 6 => 16, 17 => 6, _ => -1 };
            int grown = after.TransportStart - before.TransportStart;
            bool isSane = sent.Offload.ChecksumStart == before.TransportStart && sent.Offload.ChecksumOffset == offset && before.Transport != ChecksumState.NotThere
                && got.Frame.Length - grown <= sent.Bytes.Length;
            if (isSane && FrameCheck.Of(Offload.Complete(sent.Bytes[..(got.Frame.Length - grown)], sent.Offload)).Transport == ChecksumState.Valid)
            {
                Require(FrameCheck.Of(Offload.Complete(got.Frame, got.Offload)).Transport == ChecksumState.Valid, "a partial checksum was broken", sent, got);
            }

            return;
        }

        Require(before.Transport != ChecksumState.Valid || after.Transport == ChecksumState.Valid, "the transport's checksum was broken", sent, got);
        Require(before.Transport != ChecksumState.Omitted || after.Transport == ChecksumState.Omitted, "a checksum was made where none was", sent, got);
        Require(before.Transport != ChecksumState.Invalid || after.Transport != ChecksumState.Valid, "a broken checksum was mended", sent, got);
    }

    private static void CheckPieces(SeedFrame sent, Delivery got)
    {
        foreach (byte[] piece in got.Offload.IsToBeFragmented ? Offload.Cut(got.Frame, got.Offload) : [])
        {
            Require(piece.Length <= EthernetHeader.Length + Mtu && FrameCheck.Of(piece).HasValidHeader, "a piece that does not fit", sent, got);
        }
    }

    private static void CheckWrapped(SeedFrame sent, Delivery got, in FrameCheck after, bool isHost)
    {
        if (got.Port != TestNode.Uplink || !IsVxlan(got.Frame, after))
        {
            return;
        }

        foreach (byte[] piece in got.Offload.IsTunnelled ? Offload.Cut(got.Frame, got.Offload) : [got.Frame])
        {
            string? fault = FrameValidity.Fault(piece) ?? FrameValidity.Fault(TunnelFrames.Inside(piece), isHost);
            Require(fault is null && FrameCheck.Of(TunnelFrames.Inside(piece)) is { IsIp: true, HasValidHeader: true }, $"a wrong tunnelled frame: {fault}", sent, got);
            Require(piece.Length <= EthernetHeader.Length + Mtu, "a tunnelled frame that does not fit", sent, got);
        }
    }

    private bool IsWrapped(Delivery got, in FrameCheck after) => got.Port == TestNode.Uplink && after.IsIpv4 == outerIsIpv4 && IsVxlan(got.Frame, after);

    /// <summary>A pod may send to that port as well, but not from the node's addresses with such a header.</summary>
    private static bool IsVxlan(byte[] frame, in FrameCheck check) =>
        check.Protocol == 17 && frame.Length > check.TransportStart + 16 && (frame[check.TransportStart + 2] << 8 | frame[check.TransportStart + 3]) == TunnelFrames.Port
        && TunnelFrames.OuterLength(frame) == check.TransportStart + 16 && frame[check.TransportStart + 8] == 8 && IsFromNode(frame);

    private static bool IsFromNode(byte[] frame) => IpHeader.Parse(frame.AsSpan(EthernetHeader.Length), quoted: true, out IpHeader ip) == IpParseResult.Valid
        && ip.Source == new TestMesh(ip.IsIpv4 ? Family.Ipv4 : Family.Ipv6).Node;

    private static bool IsArp(byte[] frame) => frame.Length >= EthernetHeader.Length && frame[12] == 0x08 && frame[13] == 0x06;

    private static bool IsAdvertisement(byte[] frame, in FrameCheck check) => check.Protocol == 58 && frame.Length == 86 && frame[54] == 136;

    private static void Require(bool holds, string otherwise, SeedFrame sent, Delivery got)
    {
        if (!holds)
        {
            throw new FuzzFinding($"{otherwise}: {sent.Port} got {sent.Offload} {FrameText.Line(sent.Bytes)} {Convert.ToHexString(sent.Bytes)}\n{got} {got.Offload} {Convert.ToHexString(got.Frame)}");
        }
    }
}
