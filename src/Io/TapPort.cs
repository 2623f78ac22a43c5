using ClusterMesh.Datapath.Io.Native;
using ClusterMesh.Datapath.Pipeline;
using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.Io;

/// <summary>
/// Our side of a TAP, where a pod's frames enter the pipeline and leave it. Owns the device: disposing removes it from its namespace.
/// One thread at a time receives, transmits and disposes.
/// </summary>
public sealed class TapPort : IDisposable
{
    /// <summary>Bytes that any frame fits: virtio header, Ethernet header, 65,535 bytes of IP.</summary>
    public const int LongestFrame = VirtioNetHeader.Length + 14 + 65_535;

    /// <summary>The same behind outer headers.</summary>
    internal const int LongestTunnelled = LongestFrame + OuterHeaders.Ipv6Length;

    private readonly TunFile _tun;
    private readonly Action? _ended;

    // Of a port with the longer header: a frame with the short one is put together here.
    private readonly byte[] _lengthened;

    /// <param name="ended">Called when the port is disposed, before its file is closed.</param>
    internal TapPort(TapSettings settings, TunFile tun, int interfaceIndex, MacAddress mac, ulong namespaceInode, Action? ended = null)
    {
        _ended = ended;
        Name = settings.Name;
        Namespace = settings.Namespace;
        Interface = settings.Interface;
        InterfaceIndex = interfaceIndex;
        Mac = mac;
        Offloads = settings.Offloads;
        NamespaceInode = namespaceInode;
        _tun = tun;
        _lengthened = HasLongHeader ? new byte[LongestTunnelled] : [];
    }

    public string Name { get; }

    public string Namespace { get; }

    /// <summary>Number of the namespace that the device was made in, which may have lost its name since.</summary>
    public ulong NamespaceInode { get; }

    public string Interface { get; }

    /// <summary>Index of the interface in its namespace.</summary>
    public int InterfaceIndex { get; }

    /// <summary>MAC of the kernel's side, the one the pod sends from: as asked for, or the kernel's random choice.</summary>
    public MacAddress Mac { get; }

    /// <summary>
    /// What may pass without being cut or completed, in both directions: the kernel keeps to it in what it hands over, we in what we send.
    /// </summary>
    public TapOffloads Offloads { get; }

    /// <summary>Bytes of the virtio header before each frame that is received, 10, or 24 where tunnelled super-packets may come.</summary>
    public int HeaderLength => _tun.HeaderLength;

    internal TunFile Tun => _tun;

    /// <summary>Frames have a <see cref="VirtioTunnelHeader"/>.</summary>
    internal bool HasLongHeader => _tun.HeaderLength == VirtioTunnelHeader.Length;

    /// <summary>Where in a buffer the virtio header is received, with the frame behind the headroom.</summary>
    internal int ReceiveOffset => PacketContext.Headroom - _tun.HeaderLength;

    /// <summary>Takes the next waiting frame, a virtio header of <see cref="HeaderLength"/> and the Ethernet frame behind it. Never blocks.</summary>
    /// <param name="length">Bytes written to the buffer, when the status is <see cref="PortStatus.Done"/>.</param>
    /// <exception cref="ArgumentException">A buffer below <see cref="LongestFrame"/>, or what the longer header takes more: the kernel would cut frames and not say so.</exception>
    public PortStatus TryReceive(Span<byte> buffer, out int length)
    {
        if (buffer.Length < LongestFrame + HeaderLength - VirtioNetHeader.Length)
        {
            ThrowBufferTooShort(buffer.Length);
        }

        return _tun.Read(buffer, out length);
    }

    /// <summary>Sends one frame, virtio header (10 bytes) first. Never blocks.</summary>
    public PortStatus TryTransmit(ReadOnlySpan<byte> frame)
    {
        if (!HasLongHeader || frame.Length < VirtioNetHeader.Length)
        {
            return _tun.Write(frame);
        }

        ReadOnlySpan<byte> bytes = frame[VirtioNetHeader.Length..];
        VirtioTunnelHeader.Write(_lengthened, bytes, VirtioNetHeader.Read(frame));
        bytes.CopyTo(_lengthened.AsSpan(VirtioTunnelHeader.Length));
        return _tun.Write(_lengthened.AsSpan(0, VirtioTunnelHeader.Length + bytes.Length));
    }

    /// <summary>The same for a frame behind the header that this port has.</summary>
    internal PortStatus TryTransmitPrepared(ReadOnlySpan<byte> frame) => _tun.Write(frame);

    /// <summary>Writes the header that this port has instead of the short one, which stands before the frame already.</summary>
    /// <param name="buffer">In which the frame lies as it says.</param>
    internal void Prepare(Span<byte> buffer, in BurstFrame frame)
    {
        if (HasLongHeader)
        {
            VirtioTunnelHeader.Write(buffer[(frame.Start - VirtioTunnelHeader.Length)..], buffer.Slice(frame.Start, frame.Length), frame.Offload);
        }
    }

    /// <summary>What the header of a received frame says.</summary>
    /// <param name="buffer">In which the frame was received.</param>
    /// <param name="length">Bytes received, header included.</param>
    internal VirtioNetHeader OffloadOf(ReadOnlySpan<byte> buffer, int length) => HasLongHeader
        ? VirtioTunnelHeader.ReadReceived(buffer[ReceiveOffset..], buffer.Slice(PacketContext.Headroom, Math.Max(0, length - VirtioTunnelHeader.Length)))
        : VirtioNetHeader.ReadReceived(buffer[ReceiveOffset..]);

    public void Dispose()
    {
        _ended?.Invoke();
        _tun.Dispose();
    }

    public override string ToString() => $"{Name} ({Interface} in {Namespace})";

    private static void ThrowBufferTooShort(int length) =>
        throw new ArgumentException($"a buffer of {length} bytes would cut frames; give {LongestTunnelled}", nameof(length));
}
