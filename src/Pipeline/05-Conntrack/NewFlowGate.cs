namespace ClusterMesh.Datapath.Pipeline;

/// <summary>
/// Gives up new flows of a port on which more frames come than the worker can take, so that those of established flows find room in its queue
/// (docs/decisions/0066). Closed by the engine's word that the port does not run dry; then so many new flows a second pass as the worker can bear,
/// found by trying: a quarter more every 100 ms, half when the port does not run dry again. One owner: the worker.
/// </summary>
public sealed class NewFlowGate
{
    /// <summary>Frames in a row, without a pause, that make a port behind: twice what a TAP's queue has room for by default.</summary>
    private const int BehindFrameCount = 2048;

    private const long SecondNanoseconds = 1_000_000_000;
    private const long RaiseNanoseconds = 100_000_000;

    /// <summary>What was halved has so long to show.</summary>
    private const long HalveNanoseconds = 20_000_000;

    /// <summary>Nothing was given up for so long: whoever came in such numbers has gone.</summary>
    private const long OpenNanoseconds = SecondNanoseconds;

    /// <summary>New flows that come at once, as time.</summary>
    private const long BurstNanoseconds = 5_000_000;

    /// <summary>Beyond it nothing can be told from an open gate.</summary>
    private const int MostRate = 100_000_000;

    private readonly PortGate[] _ports = new PortGate[Port.MaxCount];
    private readonly int _leastRate;

    /// <param name="leastRate">New flows a second of each port that pass however far the worker is behind.</param>
    public NewFlowGate(int leastRate)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(leastRate);
        _leastRate = leastRate;
    }

    /// <summary>New flows that were given up.</summary>
    public ulong GivenUpCount { get; private set; }

    /// <summary>What the port's last reads brought, told by the engine.</summary>
    /// <param name="isDry">Nothing was left in the port's queue.</param>
    public void Note(int port, int frameCount, bool isDry)
    {
        ref PortGate gate = ref _ports[port];
        gate.FrameRun = isDry ? 0 : Math.Min(gate.FrameRun + frameCount, BehindFrameCount);
    }

    /// <summary>New flows of the port are limited, or will be from the next one on.</summary>
    public bool IsClosed(int port) => _ports[port].Rate != 0 || _ports[port].FrameRun >= BehindFrameCount;

    /// <summary>Whether a packet may begin a flow; false, with the reason in the context and counted, when it may not.</summary>
    public bool TryPass(ref PacketContext p, MonoTime now)
    {
        ref PortGate gate = ref _ports[p.IngressPort];
        if ((gate.Rate == 0 && gate.FrameRun < BehindFrameCount) || IsPassing(ref gate, now.Nanoseconds))
        {
            return true;
        }

        GivenUpCount++;
        p.Drop(DropReason.NewFlowGivenUp);
        return false;
    }

    private bool IsPassing(ref PortGate gate, long now)
    {
        Adapt(ref gate, now);
        if (gate.Rate == 0)
        {
            return true;
        }

        if (gate.FullAt - now > BurstNanoseconds)
        {
            gate.GivenUpAt = now;
            return false;
        }

        gate.FullAt = Math.Max(gate.FullAt, now) + (SecondNanoseconds / gate.Rate);
        return true;
    }

    private void Adapt(ref PortGate gate, long now)
    {
        if (gate.FrameRun >= BehindFrameCount)
        {
            gate.FrameRun = 0;
            if (gate.Rate == 0)
            {
                (gate.Rate, gate.ChangedAt, gate.GivenUpAt) = (_leastRate, now, now);
            }
            else if (now - gate.ChangedAt >= HalveNanoseconds)
            {
                (gate.Rate, gate.ChangedAt) = (Math.Max(_leastRate, gate.Rate / 2), now);
            }
        }
        else if (now - gate.GivenUpAt >= OpenNanoseconds)
        {
            gate.Rate = 0;
        }
        else if (now - gate.ChangedAt >= RaiseNanoseconds && gate.Rate < MostRate)
        {
            (gate.Rate, gate.ChangedAt) = (gate.Rate + Math.Max(1, gate.Rate / 4), now);
        }
    }

    private struct PortGate
    {
        /// <summary>Frames since the port last ran dry.</summary>
        public int FrameRun;

        /// <summary>New flows a second; 0 while the gate is open.</summary>
        public int Rate;

        /// <summary>When all that has passed would have passed at the rate (GCRA, ITU-T I.371).</summary>
        public long FullAt;
        public long ChangedAt;
        public long GivenUpAt;
    }
}
