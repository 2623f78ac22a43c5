using ClusterMesh.Datapath.State;
using ClusterMesh.Datapath.State.Desired;
using ClusterMesh.Datapath.Testing;
using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.Pipeline.Tests.Policy;

/// <summary>One node of two: the production writer, tables and pipeline, with an uplink that ends in the caller's hands.</summary>
internal sealed class PolicyNode
{
    private const string Host = "host";
    private const string Uplink = "uplink";

    private readonly LiveTables _live = new(4096, 2048, seed: 3);
    private readonly PacketPipeline _pipeline;
    private readonly ArrayFrames _frames = new(1);
    private readonly Burst _burst;
    private readonly MonoTime _now = MonoTime.FromSeconds(1000);

    public PolicyNode(LocalNodeSpec local, DesiredChange start, IEnumerable<IpAddress> neighbors)
    {
        State = new StateWriter(local, seed: 4);
        _pipeline = new PacketPipeline(_live);
        _burst = new Burst(_frames);
        Apply(start);
        foreach (IpAddress neighbor in neighbors)
        {
            _live.Neighbors.Solicit(neighbor, State.Ports[Uplink], _now);
            IpAddress own = local.Addresses.First(a => a.Address.IsIpv4 == neighbor.IsIpv4).Address;
            Send(Uplink, NeighborFrames.Reply(neighbor, TestNode.MacOf(neighbor), own, local.Uplink!.Mac));
        }
    }

    public StateWriter State { get; }

    public void Apply(DesiredChange change) => State.Commit(State.Plan(change));

    /// <summary>A packet of somebody here, or from the node network.</summary>
    /// <param name="port">An endpoint, host or uplink.</param>
    public (Verdict Verdict, DropReason Reason, string? Port, byte[] Frame) Send(string port, TestPacket packet)
    {
        Port known = State.Ports[port];
        return Send(port, packet.Frame(known.Kind == PortKind.Uplink ? TestNode.MacOf(packet.Source) : known.StationMac, known.RouterMac));
    }

    public (Verdict Verdict, DropReason Reason, string? Port, byte[] Frame) Send(string port, byte[] frame)
    {
        _burst.Clear();
        frame.CopyTo(_frames.BufferOf(0)[PacketContext.Headroom..]);
        _burst.Add(new BurstFrame { Buffer = 0, Start = PacketContext.Headroom, Length = frame.Length, IngressPort = State.Ports[port].Id });
        _pipeline.ProcessBurst(_burst, 0, State.Current, _now);
        while (_live.Outbox.TryTake(out _, out _))
        {
        }

        BurstFrame got = _burst.Frames[0];
        return got.Verdict == Verdict.Transmit
            ? (got.Verdict, got.Reason, State.Current.Ports[got.EgressPort].Name, _frames.BufferOf(0).Slice(got.Start, got.Length).ToArray())
            : (got.Verdict, got.Reason, null, []);
    }

    public string PortOf(Actor actor) => actor.Kind switch
    {
        ActorKind.Pod => actor.Name,
        ActorKind.Node => Host,
        _ => Uplink,
    };
}
