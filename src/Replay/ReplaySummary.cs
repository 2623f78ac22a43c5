using ClusterMesh.Datapath.Pipeline;

namespace ClusterMesh.Datapath.Replay;

/// <summary>What became of all packets of a replay, in figures. A packet that was held counts once, by its end.</summary>
public sealed class ReplaySummary
{
    private readonly SortedDictionary<DropReason, int> _drops = [];

    /// <summary>Frames that entered.</summary>
    public int PacketCount { get; internal set; }

    /// <summary>Frames that were earlier than the one before them and got its time.</summary>
    public int BackwardCount { get; internal set; }

    public int TransmitCount { get; private set; }

    public int ConsumedCount { get; private set; }

    /// <summary>Packets that waited for a next hop's MAC address, whatever became of them.</summary>
    public int HeldCount { get; private set; }

    /// <summary>Frames that the datapath sent beside the packets.</summary>
    public int EmittedCount { get; private set; }

    public int SimulatedCount { get; private set; }

    /// <summary>Dropped packets by reason.</summary>
    public IReadOnlyDictionary<DropReason, int> Drops => _drops;

    /// <summary>One line for people.</summary>
    public override string ToString()
    {
        string reasons = _drops.Count == 0 ? "" : $" ({string.Join(", ", _drops.Select(d => $"{d.Value} {DropReasons.TextOf(d.Key)}"))})";
        string packets = PacketCount == 1 ? "1 packet" : $"{PacketCount} packets";
        string held = HeldCount == 0 ? "" : $", {HeldCount} of them held for a neighbor";
        return $"{packets}: {TransmitCount} transmitted, {_drops.Values.Sum()} dropped{reasons}, {ConsumedCount} consumed{held}; "
            + $"the datapath sent {EmittedCount} of its own, {SimulatedCount} of which were answered by simulated neighbors";
    }

    internal void Count(ReplayRecord record)
    {
        switch (record.Event, record.Verdict)
        {
            case (ReplayEvent.Emitted, _):
                EmittedCount++;
                break;
            case (ReplayEvent.Simulated, _):
                SimulatedCount++;
                break;
            case (_, Verdict.Transmit):
                TransmitCount++;
                break;
            case (_, Verdict.Drop):
                _drops[record.Reason] = _drops.GetValueOrDefault(record.Reason) + 1;
                break;
            case (_, Verdict.Held):
                HeldCount++;
                break;
            default:
                ConsumedCount++;
                break;
        }
    }
}
