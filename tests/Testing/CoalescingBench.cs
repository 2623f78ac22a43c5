using ClusterMesh.Datapath.Pipeline;
using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.Testing;

/// <summary>Coalesces a burst as a worker does: each frame in a buffer of its own.</summary>
public sealed class CoalescingBench
{
    private readonly Coalescer _coalescer = new();

    /// <param name="burst">Virtio header and frame.</param>
    /// <param name="portOf">Ingress port of a slot; 0 without it.</param>
    /// <param name="room">Bytes from the start of a frame to the end of its buffer.</param>
    /// <param name="beginAt">A slot before which another burst begins, beside the first.</param>
    public List<CoalescedPacket> Run(byte[][] burst, Func<int, int>? portOf = null, int room = 65_549, int beginAt = 0)
    {
        byte[][] buffers = new byte[burst.Length][];
        int[] lengths = new int[burst.Length];
        var offloads = new VirtioNetHeader[burst.Length];
        List<CoalescedPacket> packets = [];
        _coalescer.Begin();
        for (int i = 0; i < burst.Length; i++)
        {
            if (i == beginAt)
            {
                _coalescer.Begin();
            }

            offloads[i] = VirtioNetHeader.Read(burst[i]);
            lengths[i] = burst[i].Length - VirtioNetHeader.Length;
            buffers[i] = new byte[Math.Max(room, lengths[i])];
            Array.Fill<byte>(buffers[i], 0xA5);
            burst[i].AsSpan(VirtioNetHeader.Length).CopyTo(buffers[i]);
            Span<byte> frame = buffers[i].AsSpan(0, lengths[i]);
            int head = _coalescer.FindHead(i, portOf?.Invoke(i) ?? 0, frame, offloads[i]);
            if (head >= 0 && _coalescer.TryAppend(buffers[head], ref lengths[head], ref offloads[head], frame, offloads[i]))
            {
                packets.Find(p => p.Slots[0] == head)!.Slots.Add(i);
                continue;
            }

            packets.Add(new CoalescedPacket([i], []));
        }

        return packets.ConvertAll(p => p with { Packet = Packet(buffers[p.Slots[0]], lengths[p.Slots[0]], offloads[p.Slots[0]]) });
    }

    private static byte[] Packet(byte[] buffer, int length, VirtioNetHeader offload)
    {
        byte[] packet = [.. new byte[VirtioNetHeader.Length], .. buffer.AsSpan(0, length)];
        offload.WriteTo(packet);
        return packet;
    }
}
