using ClusterMesh.Datapath.Pipeline.Events;

namespace ClusterMesh.Datapath.Pipeline;

/// <summary>
/// What the worker counts. Written by the worker alone; anyone may read a single figure at any time (64-bit reads are atomic), a set
/// of figures is not from one instant.
/// </summary>
public sealed class DatapathCounters
{
    private readonly ulong[] _dropPackets = new ulong[256];
    private readonly ulong[] _dropBytes = new ulong[256];
    private readonly ulong[] _rxPackets = new ulong[Port.MaxCount];
    private readonly ulong[] _rxBytes = new ulong[Port.MaxCount];
    private readonly ulong[] _txPackets = new ulong[Port.MaxCount];
    private readonly ulong[] _txBytes = new ulong[Port.MaxCount];

    /// <summary>Who is told what is counted, one by one; null while nobody listens. Changed by the worker, between two bursts.</summary>
    public FlowEvents? Events { get; set; }

    /// <summary>How long packets take, by sampling.</summary>
    public ProcessingTimes Times { get; } = new();

    public ulong ForwardedPackets { get; private set; }

    public ulong DroppedPackets { get; private set; }

    public ulong HeldPackets { get; private set; }

    public ulong ConsumedPackets { get; private set; }

    /// <summary>Frames that came in here and went to the worker of their flow, which counts them as received.</summary>
    public ulong HandedOverPackets { get; private set; }

    /// <summary>All that came in by any port and was decided on.</summary>
    public ulong ReceivedPackets
    {
        get
        {
            ulong sum = 0;
            foreach (ulong count in _rxPackets)
            {
                sum += count;
            }

            return sum;
        }
    }

    public ulong DropPackets(DropReason reason) => _dropPackets[(int)reason];

    public ulong DropBytes(DropReason reason) => _dropBytes[(int)reason];

    public ulong RxPackets(int port) => _rxPackets[port];

    public ulong RxBytes(int port) => _rxBytes[port];

    public ulong TxPackets(int port) => _txPackets[port];

    public ulong TxBytes(int port) => _txBytes[port];

    /// <summary>A packet came in and this became of it.</summary>
    public void CountVerdict(in PacketContext p, Verdict verdict, int receivedLength) => CountVerdict(p.IngressPort, verdict, p.Reason, receivedLength);

    /// <summary>As <see cref="CountVerdict(in PacketContext, Verdict, int)"/>, without the context.</summary>
    public void CountVerdict(int ingressPort, Verdict verdict, DropReason reason, int receivedLength)
    {
        _rxPackets[ingressPort]++;
        _rxBytes[ingressPort] += (uint)receivedLength;
        switch (verdict)
        {
            case Verdict.Drop:
                CountDrop(reason, receivedLength);
                break;
            case Verdict.Held:
                HeldPackets++;
                break;
            case Verdict.Consumed:
                ConsumedPackets++;
                break;
            default:
                break;
        }
    }

    public void CountHandedOver() => HandedOverPackets++;

    public void CountDrop(DropReason reason, int length)
    {
        DroppedPackets++;
        _dropPackets[(int)reason]++;
        _dropBytes[(int)reason] += (uint)length;
    }

    /// <summary>A frame was dropped outside the stages: counted, and told to those who listen.</summary>
    /// <param name="frame">From the Ethernet header on; empty where it is out of reach.</param>
    /// <param name="port">Where it was, -1 when that is not known.</param>
    public void CountDrop(DropReason reason, int length, Span<byte> frame, int port, byte reasonDetail = 0)
    {
        CountDrop(reason, length);
        Events?.TellDrop(frame, port, reason, reasonDetail);
    }

    /// <summary>A frame left by a port.</summary>
    public void CountTransmit(int port, int length)
    {
        ForwardedPackets++;
        _txPackets[port]++;
        _txBytes[port] += (uint)length;
    }

    /// <summary>A port's number is given to another one: its figures begin anew.</summary>
    public void ResetPort(int port)
    {
        _rxPackets[port] = 0;
        _rxBytes[port] = 0;
        _txPackets[port] = 0;
        _txBytes[port] = 0;
    }
}
