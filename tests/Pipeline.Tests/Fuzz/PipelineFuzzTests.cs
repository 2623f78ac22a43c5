using System.Globalization;
using ClusterMesh.Datapath.Testing;
using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.Pipeline.Tests.Fuzz;

/// <summary>
/// A million hostile frames through a node with state. Whatever comes in: no exception, nothing written beside the frame (the node's
/// own canaries), and what leaves is no worse than what came. CMESH_FUZZ_SEED and CMESH_FUZZ_COUNT run others.
/// </summary>
[Trait("Category", "Fuzz")]
public sealed class PipelineFuzzTests
{
    private const int DefaultCount = 1_000_000;
    private const int FramesPerStep = 1000;

    /// <param name="part">Of the count.</param>
    [Theory]
    [InlineData(FragmentMode.Follow, ForwardingMode.Snat, 1)]
    [InlineData(FragmentMode.Hold, ForwardingMode.Snat, 5)]
    [InlineData(FragmentMode.Follow, ForwardingMode.Dsr, 5)]
    public void Nothing_that_leaves_is_worse_than_what_came(FragmentMode fragments, ForwardingMode forwarding, int part)
    {
        int seed = Setting("CMESH_FUZZ_SEED", 20250);
        int count = Setting("CMESH_FUZZ_COUNT", DefaultCount) / part;
        var random = new Random(seed);
        var node = new TestNode(
            (ulong)seed, conntrackCapacity: 2048, snatCapacity: 512, local: l => l with
            {
                Flows = l.Flows with { Fragments = fragments },
                LoadBalancer = l.LoadBalancer with { Forwarding = forwarding },
            });
        var mutator = new FrameMutator(SeedFrame.All(node), random);
        int forwarded = 0;
        for (int i = 0; i < count; i++)
        {
            SeedFrame frame = mutator.Next();
            try
            {
                Delivery got = node.Send(frame.Port, frame.Bytes, frame.Offload);
                forwarded += got.Verdict == Verdict.Transmit ? 1 : 0;
                Check(frame, got);
                Live(node, random, i);
            }
            catch (Exception e)
            {
                Assert.Fail($"seed {seed}, frame {i} by {frame.Port}, {frame.Offload}: {FrameText.Line(frame.Bytes)}\n{Convert.ToHexString(frame.Bytes)}\n{e}");
            }
        }

        // Most of what was mended must have got far, or this test tests the parser alone.
        Assert.True(forwarded > count / 4, $"only {forwarded} of {count} were forwarded");
    }

    internal static void Check(SeedFrame sent, Delivery got)
    {
        // Beside the drop of a whole packet there can only be its answer; elsewhere packets leave that had waited.
        foreach (OutboxFrame beside in got.Verdict == Verdict.Drop && FrameCheck.Of(sent.Bytes).Transport != ChecksumState.NotThere ? got.Outbox : [])
        {
            FrameCheck check = FrameCheck.Of(beside.Frame);
            Require(!check.IsIp || (check.HasValidHeader && check.Transport is ChecksumState.Valid or ChecksumState.NotThere), $"a wrong frame beside: {Convert.ToHexString(beside.Frame)}", got);
        }

        if (got.Verdict != Verdict.Transmit)
        {
            return;
        }

        CheckPieces(got);

        FrameCheck before = FrameCheck.Of(sent.Bytes);
        FrameCheck after = FrameCheck.Of(got.Frame);
        // Of ARP, of neighbour discovery (an advertisement of 32 bytes), and of who asks for routers (one of 24).
        bool isAnswer = got.Frame[12] == 0x08 && got.Frame[13] == 0x06
            || (after.Protocol == 58 && (got.Frame.Length, got.Frame[54]) is (86, 136) or (78, 134));
        Require(after.IsIp || isAnswer, "what leaves is no IP", got);
        Require(!after.IsIp || after.HasValidHeader, "the header checksum is wrong", got);
        if (isAnswer)
        {
            Require(got.Port == sent.Port && got.Offload == default && after.Transport is ChecksumState.Valid or ChecksumState.NotThere, "a wrong answer", got);
            return;
        }

        int grown = after.TransportStart - before.TransportStart; // the option of direct server return
        Require(before.IsIpv4 == after.IsIpv4 && before.Protocol == after.Protocol && (grown == 0 || grown == DsrOption.LengthOf(before.IsIpv4)), "another kind of packet", got);
        VirtioNetHeader moved = sent.Offload with { HeaderLength = 0, ChecksumStart = (ushort)(sent.Offload.ChecksumStart + (sent.Offload.HasPartialChecksum ? grown : 0)) };
        Require((got.Offload with { HeaderLength = 0, Flags = got.Offload.Flags & ~VirtioNetFlags.Fragment }) == moved, "the offload was changed", got);
        bool isHost = sent.Port == TestNode.Host || got.Port == TestNode.Host;
        Require(isHost ? after.HopLimit <= before.HopLimit : after.HopLimit == before.HopLimit - 1, "the hop limit is wrong", got);
        bool isPartial = sent.Offload.HasPartialChecksum && sent.Offload.ChecksumStart == before.TransportStart;
        if (isPartial)
        {
            int offset = before.Protocol switch { 6 => 16, 17 => 6, _ => -1 };
            if (sent.Offload.ChecksumOffset == offset && before.Transport != ChecksumState.NotThere
                && FrameCheck.Of(Offload.Complete(Trimmed(sent.Bytes, got.Frame.Length - grown), sent.Offload)).Transport == ChecksumState.Valid)
            {
                Require(FrameCheck.Of(Offload.Complete(got.Frame, got.Offload)).Transport == ChecksumState.Valid, "the partial checksum was broken", got);
            }

            return;
        }

        Require(before.Transport != ChecksumState.Valid || after.Transport == ChecksumState.Valid, "the transport checksum was broken", got);
        Require(before.Transport != ChecksumState.Omitted || after.Transport == ChecksumState.Omitted, "a checksum was made where none was", got);
        Require(before.Transport != ChecksumState.Invalid || after.Transport != ChecksumState.Valid, "a broken checksum was mended", got);
    }

    /// <summary>Of what is to be fragmented every piece fits.</summary>
    private static void CheckPieces(Delivery got)
    {
        if (!got.Offload.IsToBeFragmented)
        {
            return;
        }

        List<byte[]> pieces = Offload.Cut(got.Frame, got.Offload);
        foreach (byte[] piece in pieces)
        {
            Require(piece.Length <= EthernetHeader.Length + 1500 && FrameCheck.Of(piece).HasValidHeader, "a piece that does not fit", got);
        }

        Require(pieces.Count != 1 || got.Offload.IsSuperPacket, "not cut", got); // none: the offload asked for nonsense
    }

    private static byte[] Trimmed(byte[] sent, int length) => sent[..length];

    private static void Require(bool holds, string otherwise, Delivery got)
    {
        if (!holds)
        {
            throw new InvalidOperationException($"{otherwise}: {got}\n{Convert.ToHexString(got.Frame)}");
        }
    }

    /// <summary>Time goes on, and now and then the configuration changes.</summary>
    internal static void Live(TestNode node, Random random, int i)
    {
        if (i % FramesPerStep != 0)
        {
            return;
        }

        node.Wait(random.Next(3));
        node.Tick();
        switch (random.Next(10))
        {
            case 0:
                node.Sweep();
                break;
            case 1:
                node.Wait(random.Next(3) == 0 ? ConntrackTimers.Tcp : ConntrackTimers.Any);
                node.Sweep();
                break;
            case 2:
                node.Apply(new()
                {
                    Services = [TestNode.Service("default/webpod", random.Next(2) == 0 ? IpProtocol.Tcp : IpProtocol.Udp, 80, 30080, (ushort)(random.Next(2) * 8000 + 80), Backends(random))],
                });
                break;
            case 3:
                node.Apply(new() { Masquerade = random.Next(3) == 0 ? TestNode.MasqueradeOf() : TestNode.MasqueradeOf("10.1.0.0/16", "169.254.0.0/16") });
                break;
            case 4:
                foreach (Family family in Enum.GetValues<Family>())
                {
                    var m = new Mesh(family);
                    node.Resolve(m.Gateway);
                    node.Resolve(m.EastWorker);
                    node.Resolve(m.ControlPlane);
                }

                break;
            default:
                break;
        }
    }

    private static Func<Mesh, IpAddress>[] Backends(Random random)
    {
        Func<Mesh, IpAddress>[] all = [m => m.Webpod1, m => m.Webpod2, m => m.EastPod, m => m.CurlPod, m => m.WestPod];
        return random.Next(8) == 0 ? [] : [.. all.Where(_ => random.Next(3) != 0)];
    }

    private static int Setting(string name, int otherwise) =>
        int.TryParse(Environment.GetEnvironmentVariable(name), CultureInfo.InvariantCulture, out int value) ? value : otherwise;
}
