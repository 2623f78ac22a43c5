using ClusterMesh.Datapath.Pipeline;
using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.Replay;

/// <summary>
/// Which packet is which among the frames that wait in the <see cref="Outbox"/>: that one keeps bytes only. A frame that leaves it is
/// known again by its bytes; of equal ones the first held leaves first, as in the outbox.
/// </summary>
internal sealed class HeldPackets
{
    private readonly List<HeldPacket> _packets = [];

    public void Add(ReplayRecord record, ReadOnlySpan<byte> frame, IpAddress nextHop) => _packets.Add(new HeldPacket(record, frame.ToArray(), nextHop));

    /// <summary>The record of the packet that this frame is, or null when it was never held.</summary>
    public ReplayRecord? Claim(ReadOnlySpan<byte> frame)
    {
        for (int i = 0; i < _packets.Count; i++)
        {
            // The destination MAC, which comes first, is what the packet waited for.
            if (_packets[i].Frame.AsSpan(MacAddress.Length).SequenceEqual(frame[MacAddress.Length..]))
            {
                ReplayRecord record = _packets[i].Record;
                _packets.RemoveAt(i);
                return record;
            }
        }

        return null;
    }

    /// <summary>Takes out the packets that the outbox has discarded: their neighbours did not answer.</summary>
    public IReadOnlyList<ReplayRecord> TakeDiscarded(LiveTables live)
    {
        if (_packets.Count <= live.Outbox.HeldCount)
        {
            return [];
        }

        HashSet<IpAddress> asked = [];
        for (int i = 0; i < live.Neighbors.Count; i++)
        {
            if (live.Neighbors[i].State == NeighborState.Incomplete)
            {
                asked.Add(live.Neighbors[i].Address);
            }
        }

        List<HeldPacket> discarded = _packets.FindAll(p => !asked.Contains(p.NextHop));
        _packets.RemoveAll(p => !asked.Contains(p.NextHop));
        return discarded.ConvertAll(p => p.Record);
    }

    private sealed record HeldPacket(ReplayRecord Record, byte[] Frame, IpAddress NextHop);
}
