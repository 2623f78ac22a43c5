using System.CommandLine;
using System.Globalization;
using System.Text;
using ClusterMesh.Datapath.Cli.Sysdump;
using ClusterMesh.Datapath.Control;
using ClusterMesh.Datapath.Control.Agent;
using ClusterMesh.Datapath.Control.Messages;
using ClusterMesh.Datapath.Control.Rows;

namespace ClusterMesh.Datapath.Cli.Commands;

/// <summary>
/// cmesh sysdump: one archive for a bug report, of all nodes of the machine. Asks by cmesh's own commands, so that a part that is down is missing with
/// the sentence that the command would say. No secrets leave.
/// </summary>
internal static class SysdumpCommand
{
    /// <summary>Of the output of one command.</summary>
    private const int MostLength = 4 * 1024 * 1024;

    private const int MostNames = 10_000;

    private static readonly (string File, string[] Arguments)[] s_node =
    [
        ("status.txt", ["status", "--verbose"]), ("configuration.yaml", ["config", "view"]), ("endpoints.txt", ["endpoint", "list"]), ("nodes.txt", ["node", "list"]),
        ("routes.txt", ["route", "list"]), ("services.txt", ["service", "list", "--clustermesh-affinity"]), ("backends.txt", ["backend", "list"]), ("ipmasq.txt", ["ipmasq", "list"]),
        ("conntrack.txt", ["ct", "list"]), ("snat.txt", ["nat", "list"]), ("neighbors.txt", ["neighbor", "list"]), ("ports.txt", ["port", "list"]), ("counters.txt", ["counters"]),
        ("metrics.txt", ["metrics"]), ("flows.json", ["observe", "--last", "1000", "-o", "json"]),
    ];

    private static readonly (string File, string[] Arguments)[] s_cluster = [("clustermesh-status.txt", ["clustermesh", "status"]), ("clustermesh-troubleshoot.txt", ["clustermesh", "troubleshoot"])];

    private static readonly string[] s_kinds = ["services", "endpointslices", "pods", "deployments", "nodes", "namespaces", "configmaps"];

    public static Command Build(Screen screen, TimeProvider time)
    {
        Command command = new("sysdump", "Put all that a bug report needs into one archive: configuration, tables, counters, flows, the kernel's side. Without secrets.");
        Option<string?> file = new("--write", "-w") { Description = "The archive; cmesh-sysdump-TIME.tar.gz when left out.", HelpName = "FILE" };
        Option<string?> context = new("--context") { Description = "Only nodes of this cluster.", HelpName = "CLUSTER" };
        Option<int> timeout = new("--timeout") { Description = "How long each part may take.", HelpName = "SECONDS", DefaultValueFactory = _ => 20 };
        command.Add(file);
        command.Add(context);
        command.Add(timeout);
        command.SetAction(async (parsed, cancellation) =>
        {
            DateTimeOffset now = time.GetUtcNow();
            string root = $"cmesh-sysdump-{now.ToString("yyyyMMdd-HHmmss", CultureInfo.InvariantCulture)}";
            string path = parsed.GetValue(file) ?? root + ".tar.gz";
            using var archive = new SysdumpArchive(Open(path), root, now);
            var parts = new Parts(screen, archive, TimeSpan.FromSeconds(parsed.GetValue(timeout)));
            await parts.CollectAsync(parsed.GetValue(context), cancellation);
            foreach (string missing in archive.Missing)
            {
                screen.Error.WriteLine($"Note: not in the archive: {missing}");
            }

            screen.Output.WriteLine($"{path}: {archive.FileCount} files, {archive.Missing.Count} could not be had");
        });
        return command;
    }

    private static FileStream Open(string path)
    {
        try
        {
            return new FileStream(path, FileMode.CreateNew, FileAccess.Write, FileShare.None);
        }
        catch (Exception fault) when (fault is IOException or UnauthorizedAccessException)
        {
            throw new ControlException(ErrorCode.InvalidParams, $"{path}: cannot be written ({fault.Message.TrimEnd('.')})");
        }
    }

    /// <summary>The parts, one after the other; one that is down takes only its own time.</summary>
    private sealed class Parts(Screen screen, SysdumpArchive archive, TimeSpan patience)
    {
        private string RunDirectory => screen.Environment("CMESH_RUN_DIR") is { Length: > 0 } directory ? directory : "/run/cmesh";

        public async Task CollectAsync(string? cluster, CancellationToken cancellation)
        {
            KernelFacts.AddMachine(archive);
            DirectoryInfo root = new(RunDirectory);
            DirectoryInfo[] nodes = [.. (root.Exists ? root.EnumerateDirectories() : []).Where(d => cluster is null || d.Name.StartsWith(cluster + "-", StringComparison.Ordinal)).OrderBy(d => d.Name, StringComparer.Ordinal)];
            if (nodes.Length == 0)
            {
                archive.Miss("nodes", $"nothing matches {RunDirectory}/{cluster}*; no forwarder and no agent is there");
            }

            foreach (DirectoryInfo node in nodes)
            {
                await CollectAsync(node, cancellation);
            }
        }

        private async Task CollectAsync(DirectoryInfo node, CancellationToken cancellation)
        {
            string directory = $"nodes/{node.Name}";
            archive.Add($"{directory}/sockets.txt", string.Join('\n', node.EnumerateFileSystemInfos().Select(f => f.Name).Order(StringComparer.Ordinal)) + "\n");
            string control = Path.Combine(node.FullName, "control.sock");
            if (!File.Exists(control))
            {
                archive.Miss(directory, $"{control}: there is no such socket; the forwarder is not running");
            }
            else if (await AnswersAsync(directory, control, cancellation))
            {
                foreach ((string file, string[] arguments) in s_node)
                {
                    await RunAsync($"{directory}/{file}", [.. arguments, "--node", node.Name], cancellation);
                }

                await AddNamespacesAsync(directory, control, cancellation);
            }

            string agent = Path.Combine(node.FullName, AgentChoice.SocketName);
            if (File.Exists(agent))
            {
                await AddAgentAsync(directory, agent, cancellation);
            }
            else
            {
                archive.Miss($"{directory}/agent", $"{agent}: there is no such socket; the agent is not running");
            }
        }

        /// <summary>One question for all: a forwarder that hangs must not be waited for fifteen times.</summary>
        private async Task<bool> AnswersAsync(string directory, string socket, CancellationToken cancellation)
        {
            try
            {
                await using ControlClient client = await ControlClient.ConnectAsync(socket, patience, cancellation);
                archive.Add($"{directory}/status.json", OutputJson.Document(await client.GetStatusAsync(cancellation)));
                return true;
            }
            catch (Exception fault) when (fault is ControlException or ControlConnectionException)
            {
                archive.Miss(directory, fault.Message);
                return false;
            }
        }

        private async Task RunAsync(string path, string[] arguments, CancellationToken cancellation)
        {
            using var output = new BoundedText(MostLength);
            using var errors = new StringWriter();
            using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
            limit.CancelAfter(patience);
            var inner = new Screen(output, errors, TextReader.Null, screen.Environment, colours: false);
            _ = await CommandLine.RunAsync(arguments, inner, limit.Token);
            cancellation.ThrowIfCancellationRequested();
            if (output.GetStringBuilder().Length == 0 && errors.GetStringBuilder().Length > 0)
            {
                archive.Miss(path, errors.ToString());
                return;
            }

            string cut = output.IsCut ? $"\n(cut after {MostLength} characters)\n" : "";
            archive.Add(path, $"{output}{cut}{errors}");
        }

        private async Task AddNamespacesAsync(string directory, string socket, CancellationToken cancellation)
        {
            try
            {
                HashSet<string> namespaces = [];
                await using ControlClient client = await ControlClient.ConnectAsync(socket, patience, cancellation);
                await foreach (PortRow port in client.ListAsync(ControlKinds.Port, cancellation))
                {
                    namespaces.Add(port.Namespace);
                }

                foreach (string ns in namespaces.Order(StringComparer.Ordinal).Take(64))
                {
                    await KernelFacts.AddNamespaceAsync(archive, directory, ns, cancellation);
                }
            }
            catch (Exception fault) when (fault is ControlException or ControlConnectionException)
            {
                archive.Miss($"{directory}/namespaces", fault.Message);
            }
        }

        /// <summary>The agent's state, what its store has (names and counts, no contents), and how its cluster is joined with others.</summary>
        private async Task AddAgentAsync(string directory, string socket, CancellationToken cancellation)
        {
            string cluster;
            try
            {
                AgentStatus status = await AgentChoice.StatusAsync(socket, cancellation);
                archive.Add($"{directory}/agent/status.json", System.Text.Json.JsonSerializer.Serialize(status, AgentJson.Default.AgentStatus));
                cluster = status.Cluster;
                await using ControlClient client = await AgentChoice.ConnectAsync(socket, cancellation);
                var store = new StringBuilder();
                foreach (string kind in s_kinds)
                {
                    ObjectResult found = await client.CallAsync("get", new ObjectRequest(kind, []), AgentJson.Default.ObjectRequest, AgentJson.Tolerant.ObjectResult, cancellation);
                    store.AppendLine(CultureInfo.InvariantCulture, $"{kind}: {found.Objects.Count}");
                    foreach (string name in found.Objects.Keys.Order(StringComparer.Ordinal).Take(MostNames))
                    {
                        store.AppendLine(CultureInfo.InvariantCulture, $"  {name} ({found.Objects[name].Length} characters)");
                    }
                }

                archive.Add($"{directory}/agent/store.txt", store.ToString());
            }
            catch (Exception fault) when (fault is ControlException or ControlConnectionException)
            {
                archive.Miss($"{directory}/agent", fault.Message);
                return;
            }

            foreach ((string file, string[] arguments) in s_cluster)
            {
                await RunAsync($"{directory}/agent/{file}", [.. arguments, "--context", cluster], cancellation);
            }
        }
    }
}
