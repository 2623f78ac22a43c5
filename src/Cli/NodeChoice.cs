using System.CommandLine;
using ClusterMesh.Datapath.Control;

namespace ClusterMesh.Datapath.Cli;

/// <summary>Which node a command is for: --socket, else --node and --context, else CMESH_SOCKET, else the only one there is.</summary>
internal sealed class NodeChoice
{
    private static readonly TimeSpan s_answerTimeout = TimeSpan.FromSeconds(10);

    private readonly Screen _screen;
    private readonly Option<string?> _socket = new("--socket") { Description = "Path of the node's control socket.", HelpName = "PATH" };
    private readonly Option<string?> _node = new("--node") { Description = "Name of the node: west-worker, or west-west-worker.", HelpName = "NAME" };
    private readonly Option<string?> _context = new("--context") { Description = "A cluster: its only or its first node.", HelpName = "CLUSTER" };
    private readonly Option<int?> _timeout = new("--timeout")
    {
        Description = "How long the forwarder may leave a question unanswered; 10 unless given, 60 for apply.",
        HelpName = "SECONDS",
    };

    public NodeChoice(Screen screen)
    {
        _screen = screen;
        _node.CompletionSources.Add(_ => ControlPaths.Discover(RunDirectory).Select(ControlPaths.NodeOf));
        _timeout.Validators.Add(result =>
        {
            if (result.Tokens is [{ Value: string text }] && !(int.TryParse(text, out int seconds) && seconds is >= 1 and <= 86_400))
            {
                result.AddError($"--timeout: '{text}' is no number of seconds within 1 and 86400");
            }
        });
    }

    private string RunDirectory => _screen.Environment("CMESH_RUN_DIR") is { Length: > 0 } directory ? directory : "/run/cmesh";

    /// <summary>
    /// Gives the options to a command and to those below it. They are not recursive options of the root: commands that ask no
    /// forwarder would show them too.
    /// </summary>
    public void AddTo(Command command)
    {
        foreach (Option option in (Option[])[_socket, _node, _context, _timeout])
        {
            command.Add(option);
        }

        foreach (Command below in command.Subcommands)
        {
            AddTo(below);
        }
    }

    /// <param name="answerTimeout">For a command that may take longer than others; --timeout goes before.</param>
    public Task<ControlClient> ConnectAsync(ParseResult parsed, CancellationToken cancellation, TimeSpan? answerTimeout = null)
    {
        TimeSpan patience = parsed.GetValue(_timeout) is int seconds ? TimeSpan.FromSeconds(seconds) : answerTimeout ?? s_answerTimeout;
        return ControlClient.ConnectAsync(Find(parsed), patience, cancellation);
    }

    /// <summary>Sockets of the nodes that can be meant: one where the person has said which, a cluster's with --context alone, else all.</summary>
    public IReadOnlyList<string> Candidates(ParseResult parsed) =>
        parsed.GetValue(_socket) is not null || parsed.GetValue(_node) is not null ? []
        : parsed.GetValue(_context) is { } cluster ? [.. ControlPaths.Discover(RunDirectory).Where(path => Matches(ControlPaths.NodeOf(path), null, cluster))]
        : _screen.Environment("CMESH_SOCKET") is { Length: > 0 } ? []
        : ControlPaths.Discover(RunDirectory);

    /// <summary>Where a node has its socket unless it was told otherwise.</summary>
    /// <param name="node">east-east-worker.</param>
    public string SocketOf(string node) => Path.Combine(RunDirectory, node, "control.sock");

    /// <summary>Where the chosen node's agent listens, whether or not there is one.</summary>
    public string AgentSocket(ParseResult parsed) => SocketBeside(parsed, AgentChoice.SocketName);

    /// <summary>Whether the command line says which node is meant.</summary>
    public bool IsGiven(ParseResult parsed) => parsed.GetValue(_socket) is not null || parsed.GetValue(_node) is not null || parsed.GetValue(_context) is not null;

    /// <summary>Another socket of the chosen node, whether or not it is there.</summary>
    public string SocketBeside(ParseResult parsed, string name) => Path.Combine(Path.GetDirectoryName(Path.GetFullPath(Find(parsed)))!, name);

    /// <summary>Where the chosen node's forwarder gives its flow events.</summary>
    public string EventsSocket(ParseResult parsed) => ControlPaths.EventsBeside(Find(parsed));

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
