using System.Globalization;
using ClusterMesh.Datapath.Testing;
using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.Pipeline.Tests.Fuzz;

/// <summary>
/// Hostile IPv6 frames only: services, masquerading, ICMPv6 errors, neighbour discovery, extension headers in every order, fragments. Whatever comes: no
/// exception, and what leaves is valid and no worse than what came. CMESH_FUZZ_SEED and CMESH_FUZZ_COUNT run others: 10,000,000 take some minutes.
/// </summary>
[Trait("Category", "Fuzz")]
public sealed class Ipv6FuzzTests
{
    private const int DefaultCount = 200_000;
    private const int FramesPerStep = 1000;

    [Theory]
    [InlineData(FragmentMode.Follow, ForwardingMode.Snat)]
    [InlineData(FragmentMode.Hold, ForwardingMode.Dsr)]
    public void Nothing_invalid_leaves(FragmentMode fragments, ForwardingMode forwarding)
    {
        int seed = Setting("CMESH_FUZZ_SEED", 8200);
        int count = Setting("CMESH_FUZZ_COUNT", DefaultCount) / 2;
        var random = new Random(seed);
        var node = new TestNode(
            (ulong)seed, conntrackCapacity: 2048, snatCapacity: 512, local: l => l with
            {
                Flows = l.Flows with { Fragments = fragments },
                LoadBalancer = l.LoadBalancer with { Forwarding = forwarding },
            });
        var mutator = new FrameMutator([.. SeedFrame.All(node).Where(f => f.Bytes[12] == 0x86), .. Ipv6Seeds.All(node)], random);
        int forwarded = 0;
        for (int i = 0; i < count; i++)
        {
            SeedFrame frame = mutator.Next();
            try
            {
                Delivery got = node.Send(frame.Port, frame.Bytes, frame.Offload);
                forwarded += got.Verdict == Verdict.Transmit ? 1 : 0;
                PipelineFuzzTests.Check(frame, got);
                CheckValid(frame, got);
                PipelineFuzzTests.Live(node, random, i);
            }
            catch (Exception e)
            {
                Assert.Fail($"seed {seed}, frame {i} by {frame.Port}, {frame.Offload}: {FrameText.Line(frame.Bytes)}\n{Convert.ToHexString(frame.Bytes)}\n{e}");
            }
        }

        Assert.True(forwarded > count / 5, $"only {forwarded} of {count} were forwarded");
    }

    private static void CheckValid(SeedFrame sent, Delivery got)
    {
        bool isHost = sent.Port == TestNode.Host || got.Port == TestNode.Host;
        string? fault = got.Verdict == Verdict.Transmit ? FrameValidity.Fault(got.Frame, isHost) : null;
        foreach (OutboxFrame beside in got.Outbox)
        {
            fault ??= FrameValidity.Fault(beside.Frame, isHost: true) is { } wrong ? $"beside: {wrong}: {Convert.ToHexString(beside.Frame)}" : null;
        }

        bool isAnswer = got.Port == sent.Port && got.Offload == default;
        fault ??= got.Verdict == Verdict.Transmit && !isAnswer ? FrameValidity.Loss(sent.Bytes, sent.Offload, got.Frame, got.Offload) : null;
        if (fault is not null)
        {
            throw new InvalidOperationException($"{fault}: {got.Offload} {got}\n{Convert.ToHexString(got.Frame)}");
        }
    }

    private static int Setting(string name, int otherwise) =>
        int.TryParse(Environment.GetEnvironmentVariable(name), CultureInfo.InvariantCulture, out int value) ? value : otherwise;
}
