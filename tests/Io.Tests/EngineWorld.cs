using System.Buffers.Binary;
using ClusterMesh.Datapath.Pipeline;
using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.Io.Tests;

/// <summary>
/// An engine with ports, each on a bridge with one TAP of the test's own: what the test writes there comes in at the port, what the engine
/// sends can be read there. Frames carry a number.
/// </summary>
internal sealed class EngineWorld : IDisposable
{
    private const int Ethernet = VirtioNetHeader.Length;
    private const int Payload = Ethernet + 14;
    private const ushort LocalExperimental = 0x88B5; // IEEE 802

    private readonly TestNamespace _ns = new(withIpv6: false);
    private readonly List<TapPort> _ends = [];
    private readonly byte[] _buffer = new byte[TapPort.LongestFrame];

    /// <param name="engineCount">More than one are joined, and each has a queue of every port.</param>
    public EngineWorld(EngineKind kind, int engineCount = 1)
    {
        Engines = [.. Enumerable.Range(0, engineCount).Select(i => PortEngine.Open(kind, i == 0 ? Counters : new DatapathCounters()))];
        if (engineCount > 1)
        {
            PortEngine.Connect(Engines);
        }

        Array.ForEach(Engines, e => e.Start());
    }

    /// <summary>Of the first engine.</summary>
    public DatapathCounters Counters { get; } = new();

    public PortEngine[] Engines { get; }

    /// <summary>The first.</summary>
    public PortEngine Engine => Engines[0];

    public SpinPolicy Spin { get; init; } = new(0);

    public TestNamespace Namespace => _ns;

    /// <summary>Makes a port and serves it under the next id.</summary>
    public int AddPort()
    {
        int id = _ends.Count;
        _ns.Ip($"link add br{id} up type bridge mcast_snooping 0");
        _ends.Add(TapDevice.Create(new TapSettings($"end{id}", _ns.Name, $"end{id}", 1500) { Bridge = $"br{id}" }));
        Serve(id);
        return id;
    }

    public void Serve(int id)
    {
        TapPort[] queues = TapDevice.CreateQueues(new TapSettings($"port{id}", _ns.Name, $"port{id}", 1500) { Bridge = $"br{id}" }, Engines.Length);
        for (int i = 0; i < queues.Length; i++)
        {
            Engines[i].Attach(id, queues[i]);
        }
    }

    /// <summary>Has frames come in at a port. Their lengths are 64 to 1,514 bytes, by their number.</summary>
    public void Send(int id, int firstNumber, int count)
    {
        for (int i = 0; i < count; i++)
        {
            Assert.Equal(PortStatus.Done, _ends[id].TryTransmit(Frame(firstNumber + i)));
        }
    }

    public static byte[] Frame(int number)
    {
        byte[] frame = new byte[VirtioNetHeader.Length + 64 + (int)((uint)number * 2_654_435_761 % 1_451)];
        MacAddress.Broadcast.WriteTo(frame.AsSpan(Ethernet));
        TestTap.RouterMac.WriteTo(frame.AsSpan(Ethernet + 6));
        BinaryPrimitives.WriteUInt16BigEndian(frame.AsSpan(Ethernet + 12), LocalExperimental);
        BinaryPrimitives.WriteInt32BigEndian(frame.AsSpan(Payload), number);
        frame.AsSpan(Payload + 4).Fill((byte)number);
        return frame;
    }

    /// <summary>The numbers of the frames that the engine has sent out of a port; each is whole.</summary>
    public List<int> ReadSent(int id)
    {
        List<int> numbers = [];
        while (_ends[id].TryReceive(_buffer, out int length) == PortStatus.Done)
        {
            if (TestTap.EtherType(_buffer) == LocalExperimental)
            {
                int number = BinaryPrimitives.ReadInt32BigEndian(_buffer.AsSpan(Payload));
                Assert.True(_buffer.AsSpan(Ethernet, length - Ethernet).SequenceEqual(Frame(number).AsSpan(Ethernet)), $"frame {number} arrived changed");
                numbers.Add(number);
            }
        }

        return numbers;
    }

    /// <summary>One receive; every frame of it leaves by the port that is said, or is dropped where that is below 0.</summary>
    /// <returns>The numbers of the frames, with the ports they came by.</returns>
    public List<(int Port, int Number)> Pass(Func<int, int> egress, int timeoutMilliseconds = 1000)
    {
        List<(int, int)> passed = [];
        Engine.Receive(timeoutMilliseconds, Spin);
        foreach (ref BurstFrame frame in Engine.Burst.Frames)
        {
            Span<byte> bytes = Engine.Burst.BufferOf(frame.Buffer).Slice(frame.Start, frame.Length);
            bool isOurs = bytes.Length > 18 && BinaryPrimitives.ReadUInt16BigEndian(bytes[12..]) == LocalExperimental;
            int port = isOurs ? egress(frame.IngressPort) : -1;
            frame.Verdict = port < 0 ? Verdict.Drop : Verdict.Transmit;
            frame.EgressPort = port;
            if (isOurs)
            {
                passed.Add((frame.IngressPort, BinaryPrimitives.ReadInt32BigEndian(bytes[14..])));
            }

            Engine.Complete(frame);
        }

        return passed;
    }

    /// <summary>Passes frames until so many have come, then sees them off.</summary>
    public List<(int Port, int Number)> PassAll(int count, Func<int, int> egress)
    {
        List<(int, int)> passed = [];
        for (int turns = 0; passed.Count < count; turns++)
        {
            Assert.True(turns < 10_000, $"{passed.Count} of {count} frames came");
            passed.AddRange(Pass(egress));
        }

        Settle();
        return passed;
    }

    /// <summary>Has everything sent that was completed, and takes note of how it went.</summary>
    public void Settle()
    {
        Engine.Flush();
        Pass(_ => -1, timeoutMilliseconds: 0);
    }

    public void Dispose()
    {
        Array.ForEach(Engines, e => e.DetachAll());
        Array.ForEach(Engines, e => e.Dispose());
        _ends.ForEach(e => e.Dispose());
        _ns.Dispose();
    }
}
