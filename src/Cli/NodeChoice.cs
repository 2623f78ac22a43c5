using System.CommandLine;
using ClusterMesh.Datapath.Control;

namespace ClusterMesh.Datapath.Cli;

/// <summary>Which node a command is for: --socket, else --node and --context, else CMESH_SOCKET, else the only one there is.</summary>
internal sealed class NodeChoice
{
    private readonly Screen _screen;
    private readonly Option<string?> _socket = new("--socket") { Description = "Path of the node's control socket.", Recursive = true, HelpName = "PATH" };
    private readonly Option<string?> _node = new("--node") { Description = "Name of the node: west-worker, or west-west-worker.", Recursive = true, HelpName = "NAME" };
    private readonly Option<string?> _context = new("--context") { Description = "A cluster: its only or its first node.", Recursive = true, HelpName = "CLUSTER" };

    public NodeChoice(Screen screen)
    {
        _screen = screen;
        _node.CompletionSources.Add(_ => ControlPaths.Discover(RunDirectory).Select(ControlPaths.NodeOf));
    }

    private string RunDirectory => _screen.Environment("CMESH_RUN_DIR") is { Length: > 0 } directory ? directory : "/run/cmesh";

    public void AddTo(RootCommand root)
    {
        root.Add(_socket);
        root.Add(_node);
        root.Add(_context);
    }

    public Task<ControlClient> ConnectAsync(ParseResult parsed, CancellationToken cancellation) =>
        ControlClient.ConnectAsync(Find(parsed), cancellation);

    private string Find(ParseResult parsed)
    {
        string? node = parsed.GetValue(_node);
        string? cluster = parsed.GetValue(_context);
        string? socket = parsed.GetValue(_socket);
        if (socket is null && node is null && cluster is null)
        {
            socket = _screen.Environment("CMESH_SOCKET") is { Length: > 0 } named ? named : null;
        }

        if (socket is not null)
        {
            return socket;
        }

        IReadOnlyList<string> present = ControlPaths.Discover(RunDirectory);
        if (present.Count == 0)
        {
            throw new ControlConnectionException(
                $"no forwarder is there: nothing matches {RunDirectory}/*/control.sock; start one with cmesh-forwarder --config FILE, or give --socket PATH");
        }

        string names = string.Join(", ", present.Select(ControlPaths.NodeOf));
        List<string> chosen = [.. present.Where(path => Matches(ControlPaths.NodeOf(path), node, cluster))];
        if (chosen.Count == 0)
        {
            throw new ControlConnectionException($"no node {Describe(node, cluster)} is there below {RunDirectory}; there are {names}");
        }

        if (chosen.Count > 1 && (node is not null || cluster is null))
        {
            throw new UsageException($"several nodes are there, choose one with --node: {string.Join(", ", chosen.Select(ControlPaths.NodeOf))}");
        }

        return chosen[0];
    }

    private static bool Matches(string directory, string? node, string? cluster) =>
        (node is null || directory == node || directory.EndsWith("-" + node, StringComparison.Ordinal))
        && (cluster is null || directory.StartsWith(cluster + "-", StringComparison.Ordinal));

    private static string Describe(string? node, string? cluster) =>
        node is null ? $"of cluster \"{cluster}\"" : cluster is null ? $"\"{node}\"" : $"\"{node}\" of cluster \"{cluster}\"";
}
