using ClusterMesh.Datapath.Pipeline;
using ClusterMesh.Datapath.State;
using ClusterMesh.Datapath.State.Desired;
using ClusterMesh.Datapath.Testing;
using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.Fuzz.Targets;

/// <summary>
/// The production pipeline with its state. An input is a program: one byte of options for the node, then steps, each an operation and its operands
/// (docs/fuzzing.md has the table): frames at ports, alone or in bursts, time that goes by, changes of the configuration. Behind the last step the tables
/// must agree with themselves, and when everything is over they must be empty.
/// </summary>
internal sealed class PipelineTarget : FuzzTarget
{
    private const int MostSteps = 64;
    private const int MostFrames = 128;
    private const int LongestRawFrame = 2048;
    private static readonly double[] s_seconds = [0.05, 0.3, 1, 2, 6, 11, 61, 601, 22_000, 700_000];
    private static readonly string[] s_ports = [TestNode.Curl, TestNode.Web1, TestNode.Web2, TestNode.Host, TestNode.Uplink];

    /// <summary>By number; the same for every node.</summary>
    private readonly SeedFrame[] _seeds = PipelineSeeds.All(new TestNode(workerCount: 1));

    public override string Name => "pipeline";

    public override void Run(ReadOnlySpan<byte> input)
    {
        var reader = new InputReader(input);
        byte options = reader.Byte();
        TestNode node = NodeOf(options);
        var check = new DeliveryCheck(node, isTunnelled: (options & 8) != 0, outerIsIpv4: (options & 16) == 0);
        List<SeedFrame> burst = [];
        int burstLength = 1;
        int frameCount = 0;
        for (int step = 0; step < MostSteps && frameCount < MostFrames && !reader.IsAtEnd; step++)
        {
            byte operation = reader.Byte();
            if (Frame(operation, ref reader) is { } frame)
            {
                burst.Add(frame);
                frameCount++;
            }
            else
            {
                burstLength = Other(operation, node, ref reader, burstLength);
            }

            if (burst.Count >= burstLength)
            {
                Send(node, burst, check);
                burstLength = 1;
            }
        }

        Send(node, burst, check);
        TableCheck.Run(node, isAlone: (options & 64) == 0);
    }

    public override IEnumerable<(string Name, byte[] Bytes)> Seeds()
    {
        for (int i = 0; i < _seeds.Length; i += 8)
        {
            int first = i;
            byte options = (byte)(i / 8 % 16 << 2);
            IEnumerable<byte> frames = Enumerable.Range(first, Math.Min(8, _seeds.Length - first)).SelectMany(n => Step(0, n));
            yield return ($"frames-{i:d3}", [options, .. frames, 3, 2, .. frames]);
        }

        for (byte kind = 0; kind < 12; kind++)
        {
            IEnumerable<byte> frames = ((int[])[0, 2, 4, 12, 40, 60, 62, 90]).SelectMany(n => Step(0, n + kind));
            yield return ($"change-{kind:d2}", [(byte)(kind << 2), 4, kind, 0xFF, .. frames, 4, kind, 5, .. frames, 3, 6, .. frames]);
        }

        yield return ("burst", [0, 5, 6, .. Enumerable.Range(0, 8).SelectMany(n => Step(0, n * 3)), 6, 1, 3, 129]);
        yield return ("patched", [0, 1, 2, 0, 3, 20, 0, 0xFF, 30, 0, 1, 47, 0, 2, 1, 1, 8, 0, 1, 22, 0, 1, 1, 3, 0]);
        yield return ("offload", [0, .. Step(7, 1), 1, 1, 54, 0, 100, 0, 34, 0, 16, 0, .. Step(7, 30), 1, 3, 54, 0, 100, 0, 34, 0, 6, 0]);
        yield return ("raw", [2, 2, 8, 60, 0, .. _seeds[0].Bytes[..60], 2, 12, 60, 0, .. _seeds[20].Bytes[..60]]);
    }

    private static byte[] Step(byte operation, int seed) => [operation, .. InputReader.OfWord(seed)];

    private static TestNode NodeOf(byte options) => new(
        seed: 7, conntrackCapacity: 256, snatCapacity: 64, hasShortcut: (options & 32) == 0, affinityCapacity: 64, workerCount: (options & 64) == 0 ? 1 : 2,
        local: l => l with
        {
            Flows = l.Flows with { Fragments = (options & 3) switch { 1 => FragmentMode.Hold, 2 => FragmentMode.Drop, _ => FragmentMode.Follow } },
            LoadBalancer = l.LoadBalancer with { Forwarding = (options & 4) != 0 ? ForwardingMode.Dsr : ForwardingMode.Snat, MaglevTableSize = 251 },
            Tunnel = (options & 8) == 0 ? null : new TunnelSpec(TunnelFrames.Port, (options & 16) == 0, (options & 16) != 0, InheritsDscp: false),
            Policy = l.Policy with { Enforcement = (options & 128) == 0 ? PolicyEnforcement.Default : PolicyEnforcement.Always },
        });

    /// <summary>Null for an operation that is none of a frame.</summary>
    private SeedFrame? Frame(byte operation, ref InputReader reader)
    {
        switch (operation & 7)
        {
            case 0:
                return _seeds[reader.Word() % _seeds.Length];
            case 1:
                return Patched(ref reader);
            case 2:
                byte how = reader.Byte();
                VirtioNetHeader offload = (how & 16) != 0 ? reader.Offload() : default;
                byte[] raw = reader.Bytes(reader.Word() % LongestRawFrame).ToArray();
                if ((how & 8) != 0)
                {
                    FrameSums.Mend(raw);
                }

                return new SeedFrame(s_ports[(how & 7) % s_ports.Length], raw, offload);
            case 7:
                return _seeds[reader.Word() % _seeds.Length] with { Offload = reader.Offload() };
            default:
                return null;
        }
    }

    private SeedFrame Patched(ref InputReader reader)
    {
        SeedFrame seed = _seeds[reader.Word() % _seeds.Length];
        byte[] bytes = [.. seed.Bytes];
        byte how = reader.Byte();
        for (int i = how & 7; i >= 0; i--)
        {
            int at = reader.Word() % bytes.Length;
            bytes[at] = reader.Byte();
        }

        if ((how & 8) != 0)
        {
            bytes = bytes[..(reader.Word() % (bytes.Length + 1))];
        }

        if ((how & 16) == 0)
        {
            FrameSums.Mend(bytes);
        }

        return seed with { Bytes = bytes, Offload = (how & 32) != 0 ? default : seed.Offload };
    }

    /// <returns>How many frames the next burst has.</returns>
    private static int Other(byte operation, TestNode node, ref InputReader reader, int burstLength)
    {
        byte operand = reader.Byte();
        switch (operation & 7)
        {
            case 3:
                node.Wait(s_seconds[(operand & 127) % s_seconds.Length]);
                node.Tick();
                if (operand >= 128)
                {
                    node.Sweep();
                }

                break;
            case 4:
                Change(node, operand, reader.Byte());
                break;
            case 5:
                return (operand % 16) + 2;
            default:
                var mesh = new TestMesh((operand & 1) == 0 ? Family.Ipv4 : Family.Ipv6);
                foreach (IpAddress neighbor in (IpAddress[])[mesh.Gateway, mesh.EastWorker, mesh.ControlPlane, mesh.Neighbor])
                {
                    node.Resolve(neighbor);
                }

                break;
        }

        return burstLength;
    }

    private static void Change(TestNode node, byte kind, byte argument)
    {
        try
        {
            node.Apply(PipelineChanges.Of(kind, argument));
        }
        catch (ConfigurationException e)
        {
            FuzzFinding.UnlessSentence(e.Message);
        }
    }

    private static void Send(TestNode node, List<SeedFrame> frames, DeliveryCheck check)
    {
        if (frames.Count == 0)
        {
            return;
        }

        // A change may have taken a port away, and its device with it.
        SeedFrame[] sent = [.. frames.Where(f => node.State.Ports.ContainsKey(f.Port))];
        frames.Clear();
        IReadOnlyList<Delivery> got = node.SendBurst([.. sent.Select(s => (s.Port, s.Bytes, s.Offload))]);
        for (int i = 0; i < sent.Length; i++)
        {
            check.Run(sent[i], got[i]);
        }
    }
}
