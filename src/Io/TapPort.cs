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

    internal TunFile Tun => _tun;

    /// <summary>Takes the next waiting frame, a virtio header (10 bytes) and the Ethernet frame behind it. Never blocks.</summary>
    /// <param name="length">Bytes written to the buffer, when the status is <see cref="PortStatus.Done"/>.</param>
    /// <exception cref="ArgumentException">A buffer below <see cref="LongestFrame"/>: the kernel would cut frames and not say so.</exception>
    public PortStatus TryReceive(Span<byte> buffer, out int length)
    {
        if (buffer.Length < LongestFrame)
        {
            ThrowBufferTooShort(buffer.Length);
        }

        return _tun.Read(buffer, out length);
    }

    /// <summary>Sends one frame, virtio header first. Never blocks.</summary>
    public PortStatus TryTransmit(ReadOnlySpan<byte> frame) => _tun.Write(frame);

    public void Dispose()
    {
        _ended?.Invoke();
        _tun.Dispose();
    }

    public override string ToString() => $"{Name} ({Interface} in {Namespace})";

    private static void ThrowBufferTooShort(int length) =>
        throw new ArgumentException($"a buffer of {length} bytes would cut frames; give {LongestFrame}", nameof(length));
}
