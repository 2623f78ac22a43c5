using ClusterMesh.Datapath.Control;
using ClusterMesh.Datapath.Control.Messages;

namespace ClusterMesh.Datapath.Cli;

/// <summary>Follows a packet from node to node, asking the forwarder of each, and its answer back.</summary>
/// <param name="connect">To the forwarder of a node (east/east-worker); null where none is to be had.</param>
internal sealed class TraceRoute(Func<string, Task<ControlClient?>> connect)
{
    /// <summary>More nodes are a loop.</summary>
    private const int MostNodes = 16;

    private readonly List<Station> _stations = [];
    private readonly List<TraceResult> _back = [];
    private string _reached = "";

    /// <param name="isFollowed">On to other nodes, and back.</param>
    public async Task<TraceReport> FollowAsync(ControlClient first, TracePacket packet, bool isFollowed, CancellationToken cancellation)
    {
        TraceResult result = await first.TraceAsync(new TraceRequest([packet]), cancellation);
        var station = new Station(first, $"{result.Cluster}/{result.Node}", packet, result);
        _stations.Add(station);
        while (isFollowed && _stations[^1].Trace is { NextNode: { } next, LeavingFrame: { } frame } && _stations.Count < MostNodes)
        {
            if (await connect(next) is not { } client)
            {
                _reached = $"The forwarder of {next} cannot be asked from here, so what becomes of it there is not known.";
                break;
            }

            TracePacket arriving = new() { In = "uplink", Frame = frame, Readdress = true };
            _stations.Add(new Station(client, next, arriving, await client.TraceAsync(new TraceRequest([arriving]), cancellation)));
        }

        if (_stations.Count == MostNodes)
        {
            _reached = $"It goes round: after {MostNodes} nodes it has not arrived.";
        }

        string back = isFollowed ? await AnswerAsync(cancellation) : "";
        return new TraceReport([.. _stations.Select(s => s.Result)], _back, Summary(), back);
    }

    private string Summary()
    {
        Station last = _stations[^1];
        string waits = string.Concat(_stations.SkipLast(1).Where(s => s.Trace.Verdict == "held").Select(s => $" (At {s.Name}: {s.Trace.Summary})"));
        return $"{last.Name}: {last.Trace.Summary}{(_reached.Length == 0 ? "" : $" {_reached}")}{waits}";
    }

    private async Task<string> AnswerAsync(CancellationToken cancellation)
    {
        Station last = _stations[^1];
        if (last.Trace.Out is null || last.Trace.NextNode is not null || !IsAnswered(last.Trace))
        {
            return "";
        }

        int at = _stations.Count - 1;
        TracePacket answer = new() { IsAnswer = true };
        while (true)
        {
            // The packet first: what it leaves behind in the copy of the flow state is what its answer meets.
            Station station = _stations[at];
            TraceResult result = await station.Client.TraceAsync(new TraceRequest([station.Packet, answer], station.Result.Dice), cancellation);
            _back.Add(result);
            PacketTrace trace = result.Packets[^1];
            if (trace.LeavingFrame is not { } frame || trace.NextNode is not { } next)
            {
                return Arrived(at, station, trace);
            }

            if (at == 0 || next != _stations[at - 1].Name)
            {
                return $"The answer goes another way: from {station.Name} to {next}{(at == 0 ? "" : $", not back through {_stations[at - 1].Name}, which has the flow's state")}.";
            }

            at--;
            answer = new TracePacket { In = "uplink", Frame = frame, Readdress = true };
        }
    }

    private string Arrived(int at, Station station, PacketTrace answer)
    {
        string first = _stations[0].Trace.In;
        return answer.Verdict == "drop" ? $"The answer ends at {station.Name}. {answer.Summary}"
            : at == 0 && answer.Out == first ? $"The answer comes back the same way, to {(answer.Pod is null ? first : $"pod {answer.Pod}")} of {station.Name}."
            : at == 0 ? $"The answer leaves {station.Name} by {answer.Out}, while the packet came in by {first}."
            : $"The answer leaves the mesh at {station.Name}: {answer.Summary} It does not come back through {_stations[at - 1].Name}.";
    }

    /// <summary>Of TCP what opens a flow, of ICMP an echo request; anything of the rest.</summary>
    private static bool IsAnswered(PacketTrace trace) => !trace.Packet.StartsWith("ICMP", StringComparison.Ordinal) || trace.Packet.Contains("echo request", StringComparison.Ordinal);

    private sealed record Station(ControlClient Client, string Name, TracePacket Packet, TraceResult Result)
    {
        public PacketTrace Trace => Result.Packets[^1];
    }
}
