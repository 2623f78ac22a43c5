using ClusterMesh.Datapath.Control;
using ClusterMesh.Datapath.Mesh.Objects;
using ClusterMesh.Datapath.Mesh.Schema;
using ClusterMesh.Datapath.Observe;
using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.Agent.Observing;

/// <summary>
/// Which nodes' Hubble can be asked, of all clusters: by its socket when the node runs on this machine, else at its address. A node's
/// certificate has Cilium's name for it.
/// </summary>
internal sealed class PeerKeeper(AgentRuntime agent, ObserveSettings settings, PeerList peers, TimeProvider time)
{
    /// <summary>Sockets come and go without a word.</summary>
    private static readonly TimeSpan s_look = TimeSpan.FromSeconds(2);

    /// <summary>A change is seldom alone.</summary>
    private static readonly TimeSpan s_rest = TimeSpan.FromMilliseconds(100);

    private PeerNode[] _known = [];

    public async Task RunAsync(CancellationToken cancellation)
    {
        Task change = Task.CompletedTask;
        while (true)
        {
            // The same one until it comes: whoever waits for a change anew every two seconds is remembered by it as often.
            change = change.IsCompleted ? agent.NextNames() : change;
            PeerNode[] now = [.. Peers().OrderBy(p => p.Name, StringComparer.Ordinal)];
            if (!now.SequenceEqual(_known))
            {
                peers.Set(now);
                _known = now;
            }

            await Task.WhenAny(change, Task.Delay(s_look, time, cancellation)).WaitAsync(cancellation);
            if (change.IsCompleted)
            {
                await Task.Delay(s_rest, time, cancellation);
            }
        }
    }

    private IEnumerable<PeerNode> Peers()
    {
        string own = agent.Settings.Cluster;
        foreach (NodeObject node in agent.Objects.Nodes.Values)
        {
            if (PeerOf(own, node.Name, new MeshNode(node.Name, own, 0) { Addresses = node.Addresses }) is { } peer)
            {
                yield return peer;
            }
        }

        foreach (MeshNode node in agent.Remotes.State.Current.Nodes)
        {
            if (PeerOf(node.Cluster, node.Name, node) is { } peer)
            {
                yield return peer;
            }
        }
    }

    private PeerNode? PeerOf(string cluster, string node, MeshNode record)
    {
        string name = $"{cluster}/{node}";
        if (cluster == agent.Settings.Cluster && node == agent.Settings.Node)
        {
            return new PeerNode(name, $"unix://{settings.HubbleSocket}");
        }

        string socket = Path.Combine(Path.GetDirectoryName(ControlPaths.SocketOf(cluster, node))!, "hubble.sock");
        if (File.Exists(socket))
        {
            return new PeerNode(name, $"unix://{socket}");
        }

        return (record.NodeIp(true) ?? record.NodeIp(false)) is IpAddress address
            ? new PeerNode(name, $"{(address.IsIpv4 ? address.ToString() : $"[{address}]")}:{settings.PeerPort}", settings.Tls is null ? null : $"{node}.{cluster}.hubble-grpc.cilium.io")
            : null;
    }
}
