using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.Io.Tests;

/// <summary>
/// Linux's own generic receive offload as the oracle: plain frames go by a TAP, a bridge and a veth to the veth's other end, whose NAPI joins
/// them, and by a second bridge to a TAP that takes super-packets.
/// </summary>
internal sealed class KernelGro : IDisposable
{
    /// <summary>How long the kernel holds joined frames back, in nanoseconds: longer than a burst takes to be written.</summary>
    private const long FlushTimeout = 10_000_000;

    private readonly TestNamespace _ns = new(withIpv6: false);
    private readonly TapPort _input;
    private readonly TapPort _output;
    private readonly PortPoller _poller = new();
    private readonly int[] _ready = new int[1];
    private readonly byte[] _buffer = new byte[TapPort.LongestFrame];

    public KernelGro()
    {
        _ns.Ip("link add br0 mtu 9500 up type bridge mcast_snooping 0");
        _ns.Ip("link add br1 mtu 9500 up type bridge mcast_snooping 0");
        _ns.Ip("link add near0 mtu 9500 up master br0 type veth peer name far0 mtu 9500");
        _ns.Ip("link set far0 up master br1");

        // A veth's sender that cuts by itself is what makes the other end's NAPI run.
        In("ethtool -K near0 tso off");
        In("ethtool -K far0 gro on rx-udp-gro-forwarding on");
        In($"sh -c \"echo {FlushTimeout} > /sys/class/net/far0/gro_flush_timeout\"");
        _input = TapDevice.Create(new TapSettings("in", _ns.Name, "in0", 9500) { Bridge = "br0", Offloads = TapOffloads.None });
        _output = TapDevice.Create(new TapSettings("out", _ns.Name, "out0", 9500) { Bridge = "br1" });
        _poller.Add(_output, 0);
    }

    /// <summary>What the kernel makes of the frames, or null when time has parted them.</summary>
    /// <param name="frames">Virtio header and frame.</param>
    /// <param name="byteCount">Bytes of payload that must come out, in whatever packets; the burst is over when they have.</param>
    public List<byte[]>? Join(byte[][] frames, int byteCount, Func<byte[], int> payloadLengthOf)
    {
        // At the end of each poll the kernel lets go what it has held since an earlier jiffy: the burst must lie within one.
        long jiffy = Environment.TickCount64;
        while (Environment.TickCount64 == jiffy)
        {
        }

        jiffy = Environment.TickCount64;
        foreach (byte[] frame in frames)
        {
            Assert.Equal(PortStatus.Done, _input.TryTransmit(frame));
        }

        bool isWhole = Environment.TickCount64 == jiffy;
        List<byte[]> packets = [];
        while (byteCount > 0 && _poller.Wait(_ready, 5_000) == 1)
        {
            while (_output.TryReceive(_buffer, out int length) == PortStatus.Done)
            {
                byte[] packet = _buffer[..length];
                byteCount -= payloadLengthOf(packet);
                packets.Add(packet);
            }
        }

        Assert.Equal(0, byteCount);
        return isWhole ? packets : null;
    }

    public void Dispose()
    {
        _poller.Dispose();
        _input.Dispose();
        _output.Dispose();
        _ns.Dispose();
    }

    private void In(string command) => Command.Run("ip", $"netns exec {_ns.Name} {command}");
}
