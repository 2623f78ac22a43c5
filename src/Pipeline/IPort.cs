namespace ClusterMesh.Datapath.Pipeline;

/// <summary>
/// Where frames enter and leave: a TAP, memory in tests. A frame is a virtio header (10 bytes) and an Ethernet frame behind it.
/// Nothing here blocks. One thread uses a port at a time.
/// </summary>
public interface IPort : IDisposable
{
    /// <summary>For people: default/curl-pod, host, uplink.</summary>
    string Name { get; }

    /// <summary>Takes the next waiting frame.</summary>
    /// <param name="buffer">At least 10 + 14 + 65,535 bytes: a shorter buffer would cut frames silently.</param>
    /// <param name="length">Bytes written to the buffer, when the status is <see cref="PortStatus.Done"/>.</param>
    PortStatus TryReceive(Span<byte> buffer, out int length);

    /// <summary>Sends one frame.</summary>
    PortStatus TryTransmit(ReadOnlySpan<byte> frame);
}
