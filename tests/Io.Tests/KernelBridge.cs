using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.Io.Tests;

/// <summary>
/// The kernel as the oracle: what is written to one TAP of a bridge is read from the other, made fit by the kernel for what that one takes.
/// </summary>
internal sealed class KernelBridge : IDisposable
{
    private readonly TestNamespace _ns = new(withIpv6: false);
    private readonly PortPoller _poller = new();
    private readonly int[] _ready = new int[1];
    private readonly byte[] _buffer = new byte[TapPort.LongestTunnelled];

    /// <param name="output">What the reading TAP takes.</param>
    /// <param name="input">What the writing TAP says it takes: with tunnels it may write them too.</param>
    public KernelBridge(TapOffloads output, TapOffloads input = TapOffloads.All)
    {
        _ns.Ip("link add br0 mtu 9500 up type bridge mcast_snooping 0");
        Input = TapDevice.Create(new TapSettings("in", _ns.Name, "in0", 9500) { Bridge = "br0", Offloads = input });
        Output = TapDevice.Create(new TapSettings("out", _ns.Name, "out0", 9500) { Bridge = "br0", Offloads = output });
        _poller.Add(Output, 0);
    }

    public TapPort Input { get; }

    public TapPort Output { get; }

    /// <summary>What becomes of a packet: everything that can be read when the write is over. A bridge forwards before the write returns.</summary>
    public List<byte[]> Pass(ReadOnlySpan<byte> packet)
    {
        Assert.Equal(PortStatus.Done, Input.TryTransmit(packet));
        _poller.Wait(_ready, 1_000);
        List<byte[]> packets = [];
        while (Output.TryReceive(_buffer, out int length) == PortStatus.Done)
        {
            packets.Add(_buffer[..length]);
        }

        return packets;
    }

    public void Dispose()
    {
        _poller.Dispose();
        Input.Dispose();
        Output.Dispose();
        _ns.Dispose();
    }
}
