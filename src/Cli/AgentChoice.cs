using System.CommandLine;
using ClusterMesh.Datapath.Control;
using ClusterMesh.Datapath.Control.Agent;
using ClusterMesh.Datapath.Control.Messages;

namespace ClusterMesh.Datapath.Cli;

/// <summary>Which agents a command of the mesh is for: all of a cluster, or of all clusters when none is named.</summary>
internal sealed class AgentChoice(Screen screen)
{
    public const string SocketName = "agent.sock";
    private static readonly TimeSpan s_answerTimeout = TimeSpan.FromSeconds(60);

    public Option<string?> Context { get; } = new("--context") { Description = "The cluster whose agents are asked.", HelpName = "CLUSTER" };

    private string RunDirectory => screen.Environment("CMESH_RUN_DIR") is { Length: > 0 } directory ? directory : "/run/cmesh";

    /// <summary>Sockets of the cluster's agents, in the order of their names; one at least.</summary>
    public IReadOnlyList<string> Find(string? cluster)
    {
        DirectoryInfo root = new(RunDirectory);
        string[] found =
        [
            .. (root.Exists ? root.EnumerateDirectories() : []).Where(d => cluster is null || d.Name.StartsWith(cluster + "-", StringComparison.Ordinal))
                .Select(d => Path.Combine(d.FullName, SocketName)).Where(File.Exists).Order(StringComparer.Ordinal),
        ];
        return found.Length > 0
            ? found
            : throw new ControlConnectionException(
                $"no agent{(cluster is null ? "" : $" of cluster \"{cluster}\"")} is there: nothing matches {RunDirectory}/{cluster ?? ""}*/{SocketName}; start one with cmesh-agent --config FILE");
    }

    /// <summary>An agent of the cluster; the cluster need not be named where there is only one.</summary>
    public async Task<string> FindOneAsync(string? cluster, CancellationToken cancellation)
    {
        IReadOnlyList<string> sockets = Find(cluster);
        if (cluster is null && sockets.Count > 1)
        {
            AgentStatus[] agents = await Task.WhenAll(sockets.Select(s => StatusAsync(s, cancellation)));
            string[] clusters = [.. agents.Select(a => a.Cluster).Distinct()];
            if (clusters.Length > 1)
            {
                throw new UsageException($"several clusters are there, choose one with --context: {string.Join(", ", clusters)}");
            }
        }

        return sockets[0];
    }

    public static Task<ControlClient> ConnectAsync(string socket, CancellationToken cancellation) => ControlClient.ConnectAsync(socket, s_answerTimeout, cancellation);

    public static async Task<AgentStatus> StatusAsync(string socket, CancellationToken cancellation)
    {
        await using ControlClient client = await ConnectAsync(socket, cancellation);
        return await client.CallAsync("status", new NoContent(), ControlJson.Default.NoContent, AgentJson.Tolerant.AgentStatus, cancellation);
    }

    /// <summary>Null when the node has no agent, or none that answers.</summary>
    public static async Task<AgentStatus?> FindStatusAsync(string socket, CancellationToken cancellation)
    {
        try
        {
            return File.Exists(socket) ? await StatusAsync(socket, cancellation) : null;
        }
        catch (Exception fault) when (fault is ControlConnectionException or ControlException)
        {
            return null;
        }
    }
}
