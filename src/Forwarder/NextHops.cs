using ClusterMesh.Datapath.Io;
using ClusterMesh.Datapath.Pipeline;
using ClusterMesh.Datapath.State.Desired;

namespace ClusterMesh.Datapath.Forwarder;

/// <summary>Asks for the other nodes' MAC addresses before the first packet needs them, as Cilium's agent does.</summary>
internal static class NextHops
{
    /// <param name="nodes">Those that have come.</param>
    public static void Solicit(WorkerGroup workers, IReadOnlyList<NodeSpec> nodes, Snapshot snapshot)
    {
        if (snapshot.UplinkPort < 0 || nodes.Count == 0)
        {
            return;
        }

        Port uplink = snapshot.Ports[snapshot.UplinkPort];
        workers.Invoke(worker =>
        {
            var now = new MonoTime(MonotonicClock.Nanoseconds);
            NeighborTable neighbors = worker.Live.Neighbors;
            foreach (NodeSpec node in nodes)
            {
                foreach (Wire.IpAddress address in node.Addresses)
                {
                    bool isOnLink = snapshot.Routes.TryLookup(address, out RouteTarget target, out _) && target.Kind == RouteKind.OnLink;
                    if (isOnLink && !neighbors.TryResolve(address, now, out _))
                    {
                        neighbors.Solicit(address, uplink, now);
                    }
                }
            }
        });
    }
}
