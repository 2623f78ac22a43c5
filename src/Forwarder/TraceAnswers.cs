using ClusterMesh.Datapath.Control;
using ClusterMesh.Datapath.Control.Messages;
using ClusterMesh.Datapath.Io;
using ClusterMesh.Datapath.Pipeline;
using ClusterMesh.Datapath.Trace;

namespace ClusterMesh.Datapath.Forwarder;

/// <summary>Answers to what would become of packets.</summary>
internal static class TraceAnswers
{
    /// <summary>The configuration waits meanwhile, the workers do not.</summary>
    /// <exception cref="ControlException">The request names what is not there, or what cannot be.</exception>
    public static TraceResult Trace(NodeRuntime node, TraceRequest request)
    {
        WorkerGroup group = node.Workers;
        return node.Read(writer => new PacketTracer(
            writer, node.Local, [.. group.Workers.Select(w => w.Live)], (worker, action) => group.Workers[worker].Ask(action), group.Homes, group.Backends,
            () => new MonoTime(MonotonicClock.Nanoseconds)).Trace(request));
    }
}
