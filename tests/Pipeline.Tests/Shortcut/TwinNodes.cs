using ClusterMesh.Datapath.State.Desired;
using ClusterMesh.Datapath.Testing;
using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.Pipeline.Tests.Shortcut;

/// <summary>Two nodes to which the same happens, one with the shortcut and one without. Whoever could tell them apart ends the test.</summary>
internal sealed class TwinNodes
{
    /// <summary>More than the ports of a test node.</summary>
    private const int PortCount = 8;

    /// <summary>Fewer than the clients of a history.</summary>
    private const int AffinityCapacity = 6;

    private static readonly DropReason[] s_reasons = Enum.GetValues<DropReason>();

    private readonly TestNode[] _nodes;

    /// <summary>Small tables: entries are reused, and shortcuts give way to others. Fragments wait for their first, so that more can happen.</summary>
    public TwinNodes(ulong seed, int conntrackCapacity = 96, int snatCapacity = 24)
    {
        _nodes = [.. ((bool[])[true, false]).Select(has => new TestNode(seed, conntrackCapacity, snatCapacity, hasShortcut: has, affinityCapacity: AffinityCapacity, local: Holding))];
        Compare();
    }

    /// <summary>Packets that took the shortcut.</summary>
    public ulong TakenCount => With.Live.Shortcuts.TakenCount;

    public TestNode With => _nodes[0];

    public TestNode Without => _nodes[1];

    /// <summary>The frames come together.</summary>
    public void Send(params SentFrame[] frames)
    {
        (string, byte[], VirtioNetHeader)[] sent = [.. frames.Select(f => (f.Port, f.Bytes, f.Offload))];
        IReadOnlyList<Delivery> with = With.SendBurst(sent);
        IReadOnlyList<Delivery> without = Without.SendBurst(sent);
        for (int i = 0; i < frames.Length; i++)
        {
            Same(frames[i], with[i], without[i]);
        }

        Compare();
    }

    /// <summary>Anything but frames.</summary>
    public void Do(Action<TestNode> what)
    {
        foreach (TestNode node in _nodes)
        {
            what(node);
        }

        Compare();
    }

    public void Tick()
    {
        IReadOnlyList<OutboxFrame> with = With.Tick();
        IReadOnlyList<OutboxFrame> without = Without.Tick();
        Assert.Equal(with.Select(f => (f.Port, Convert.ToHexString(f.Frame), f.Offload)), without.Select(f => (f.Port, Convert.ToHexString(f.Frame), f.Offload)));
        Compare();
    }

    private static LocalNodeSpec Holding(LocalNodeSpec local) => local with { Flows = local.Flows with { Fragments = FragmentMode.Hold } };

    /// <summary>Once, at the end: the dice lie as they lie.</summary>
    public void CompareDice() => Assert.Equal(With.Live.Random.Next(), Without.Live.Random.Next());

    private static void Same(SentFrame sent, Delivery with, Delivery without)
    {
        bool isSame = with.Verdict == without.Verdict && with.Reason == without.Reason && with.Detail == without.Detail && with.Port == without.Port
            && with.Offload == without.Offload && with.Frame.AsSpan().SequenceEqual(without.Frame)
            && with.Outbox.Count == without.Outbox.Count
            && with.Outbox.Zip(without.Outbox).All(pair => pair.First.Port == pair.Second.Port && pair.First.Frame.AsSpan().SequenceEqual(pair.Second.Frame));
        if (!isSame)
        {
            Assert.Fail($"of {FrameText.Line(sent.Bytes)} by {sent.Port}, {sent.Offload}\nthe shortcut makes {with}\nthe stages make {without}\n{FrameText.Difference(with.Frame, without.Frame)}");
        }
    }

    /// <summary>Every row, timer and counter.</summary>
    private void Compare()
    {
        LiveTables with = With.Live;
        LiveTables without = Without.Live;
        Assert.Equal((with.Conntrack.Count, with.Snat.Count, with.Neighbors.Count), (without.Conntrack.Count, without.Snat.Count, without.Neighbors.Count));
        for (int i = 0; i < with.Conntrack.Capacity; i++)
        {
            if (with.Conntrack[i] != without.Conntrack[i])
            {
                Assert.Fail($"conntrack {i}: shortcut {with.Conntrack[i]}\nstages {without.Conntrack[i]}");
            }
        }

        for (int i = 0; i < with.Snat.Capacity; i++)
        {
            if (with.Snat[i] != without.Snat[i])
            {
                Assert.Fail($"SNAT {i}: shortcut {with.Snat[i]}\nstages {without.Snat[i]}");
            }
        }

        for (int i = 0; i < with.Affinities.Capacity && with.Affinities.Count + without.Affinities.Count > 0; i++)
        {
            if (with.Affinities[i] != without.Affinities[i])
            {
                Assert.Fail($"affinity {i}: shortcut {with.Affinities[i]}\nstages {without.Affinities[i]}");
            }
        }

        for (int i = 0; i < with.Neighbors.Count; i++)
        {
            if (with.Neighbors[i] != without.Neighbors[i])
            {
                Assert.Fail($"neighbour {i}: shortcut {with.Neighbors[i]}\nstages {without.Neighbors[i]}");
            }
        }

        if (!Figures(with).SequenceEqual(Figures(without)))
        {
            Assert.Equal(Figures(with), Figures(without));
        }

        Assert.Equal((0UL, false), (without.Shortcuts.TakenCount, without.Shortcuts.IsEnabled));
    }

    private static IEnumerable<ulong> Figures(LiveTables live)
    {
        DatapathCounters c = live.Counters;
        yield return c.DroppedPackets;
        yield return c.HeldPackets;
        yield return c.ConsumedPackets;
        yield return (ulong)live.Outbox.HeldCount;
        foreach (DropReason reason in s_reasons)
        {
            yield return c.DropPackets(reason);
            yield return c.DropBytes(reason);
        }

        for (int port = 0; port < PortCount; port++)
        {
            yield return c.RxPackets(port);
            yield return c.RxBytes(port);
        }
    }
}
