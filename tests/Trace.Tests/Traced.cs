using ClusterMesh.Datapath.Control.Messages;
using ClusterMesh.Datapath.Pipeline;
using ClusterMesh.Datapath.Testing;

namespace ClusterMesh.Datapath.Trace.Tests;

/// <summary>Traces on a node without devices.</summary>
internal static class Traced
{
    public static PacketTracer TracerOf(TestNode node) =>
        new(node.State, node.State.Desired.Local, node.AllLive, (_, action) => action(), node.Homes, node.Homes is null ? null : node.Backends, () => node.Now);

    public static PacketTrace Trace(this TestNode node, string port, byte[] frame) =>
        TracerOf(node).Trace(new TraceRequest([new TracePacket { In = port, Frame = Convert.ToHexString(frame) }])).Packets[0];

    public static PacketTrace Trace(this TestNode node, string port, TestPacket packet) => node.Trace(port, node.Arriving(port, packet));

    /// <summary>As a person asks.</summary>
    public static PacketTrace Ask(this TestNode node, string from, string to, Func<TracePacket, TracePacket>? with = null)
    {
        var packet = new TracePacket { From = from, To = to };
        return TracerOf(node).Trace(new TraceRequest([with?.Invoke(packet) ?? packet])).Packets[0];
    }

    /// <summary>All flow state and figures of a node, as text.</summary>
    public static string StateOf(TestNode node) => string.Join('\n', node.AllLive.Select(StateOf));

    private static string StateOf(LiveTables live)
    {
        var lines = new List<string>
        {
            $"dice {live.Random.State}, outbox {live.Outbox.HeldCount} {live.Outbox.ReadyCount}",
            $"conntrack {live.Conntrack.Count} {live.Conntrack.FoundCount} {live.Conntrack.InsertedCount} {live.Conntrack.FailureCount} {live.Conntrack.DeletedCount}",
            $"snat {live.Snat.Count} {live.Snat.InsertedCount} {live.Snat.CollisionCount} {live.Snat.FailureCount} {live.Snat.IsSweepWanted}",
            $"fragments {live.Fragments.FirstCount} {live.Fragments.FollowedCount} {live.Fragments.MissedCount}",
            $"counters {live.Counters.ReceivedPackets} {live.Counters.ForwardedPackets} {live.Counters.DroppedPackets} {live.Counters.HeldPackets} {live.Counters.ConsumedPackets}",
            $"icmp {string.Join(' ', Enum.GetValues<IcmpAnswerKind>().Select(k => $"{live.Icmp.SentCount(k)} {live.Icmp.LimitedCount(k)}"))}",
            $"drops {string.Join(' ', Enum.GetValues<DropReason>().Select(r => live.Counters.DropPackets(r)))}",
        };
        lines.AddRange(Enumerable.Range(0, live.Conntrack.Capacity).Select(i => live.Conntrack[i].ToString()));
        lines.AddRange(Enumerable.Range(0, live.Snat.Capacity).Select(i => live.Snat[i].ToString()));
        lines.AddRange(Enumerable.Range(0, live.Affinities.Capacity).Select(i => live.Affinities[i]).Where(e => e.Frontend != 0).Select(e => e.ToString()));
        lines.AddRange(Enumerable.Range(0, live.Neighbors.Count).Select(i => live.Neighbors[i].ToString()));
        return string.Join('\n', lines);
    }
}
