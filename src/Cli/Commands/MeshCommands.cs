using System.CommandLine;
using System.Net;
using System.Text.Json.Serialization.Metadata;
using ClusterMesh.Datapath.Cli.Text;
using ClusterMesh.Datapath.Control;
using ClusterMesh.Datapath.Control.Agent;
using ClusterMesh.Datapath.Control.Messages;

namespace ClusterMesh.Datapath.Cli.Commands;

/// <summary>cmesh clustermesh …, annotate and scale: what agents are asked.</summary>
internal static class MeshCommands
{
    private static readonly TimeSpan s_poll = TimeSpan.FromMilliseconds(500);

    public static IEnumerable<Command> Build(Screen screen, AgentChoice choice)
    {
        Command mesh = new("clustermesh", "Joins clusters and shows how they are joined.")
        {
            Status(screen, choice), Enable(screen, choice), Connect(screen, choice), Disconnect(screen, choice), Troubleshoot(screen, choice),
        };
        return [mesh, Annotate(screen, choice), Scale(screen, choice), HealthCommand.Build(screen, choice)];
    }

    public static async Task ApplyAsync(Screen screen, string socket, IReadOnlyList<ManifestFile> files, CancellationToken cancellation)
    {
        ManifestResult result = await AskAsync(socket, "apply", new ManifestRequest(files), AgentJson.Default.ManifestRequest, AgentJson.Tolerant.ManifestResult, cancellation);
        Print(screen, result.Objects);
    }

    /// <summary>Deletes what manifests name, or objects of a kind.</summary>
    public static async Task DeleteAsync(Screen screen, string socket, IReadOnlyList<ManifestFile> files, CancellationToken cancellation)
    {
        ManifestResult result = await AskAsync(socket, "deleteFiles", new ManifestRequest(files), AgentJson.Default.ManifestRequest, AgentJson.Tolerant.ManifestResult, cancellation);
        Print(screen, result.Objects);
    }

    /// <param name="kind">The plural.</param>
    public static async Task DeleteAsync(Screen screen, string socket, string kind, IEnumerable<string> names, CancellationToken cancellation)
    {
        ObjectRequest request = new(kind, [.. names.Select(n => ObjectKinds.HasNamespace(kind) ? InNamespace(n) : n)]);
        ManifestResult result = await AskAsync(socket, "delete", request, AgentJson.Default.ObjectRequest, AgentJson.Tolerant.ManifestResult, cancellation);
        Print(screen, result.Objects);
    }

    private static Command Status(Screen screen, AgentChoice choice)
    {
        Option<bool> wait = new("--wait") { Description = "Wait until all nodes are connected to all clusters." };
        Option<int> limit = new("--wait-duration") { Description = "Longest wait.", HelpName = "SECONDS", DefaultValueFactory = _ => 900 };
        Command command = new("status", "Show a cluster's connections; the exit code is 1 when one is missing.") { choice.Context, wait, limit };
        command.SetAction(async (parsed, cancellation) =>
        {
            IReadOnlyList<string> sockets = choice.Find(parsed.GetValue(choice.Context));
            System.Diagnostics.Stopwatch waited = System.Diagnostics.Stopwatch.StartNew();
            AgentStatus[] agents = await AskAllAsync(sockets, cancellation);
            string? said = null;
            while (parsed.GetValue(wait) && !MeshText.IsConnected(agents) && waited.Elapsed.TotalSeconds < parsed.GetValue(limit))
            {
                string awaited = MeshText.Awaited(agents);
                if (awaited != said)
                {
                    screen.Error.WriteLine($"⌛ Waiting ({waited.Elapsed.TotalSeconds:0}s) {awaited}");
                    said = awaited;
                }

                await Task.Delay(s_poll, cancellation);
                agents = await AskAllAsync(sockets, cancellation);
            }

            string? endpoint = null;
            string? problem = null;
            try
            {
                AccessDocument access = await AccessAsync(sockets[0], cancellation);
                endpoint = new IPEndPoint(IPAddress.Parse(access.Address), new Uri(access.Endpoint).Port).ToString();
            }
            catch (ControlException refusal)
            {
                problem = refusal.Message;
            }

            Print(screen, MeshText.Page(agents, endpoint, problem));
            return MeshText.IsConnected(agents) ? CommandLine.Ok : CommandLine.Failed;
        });
        return command;
    }

    private static Command Enable(Screen screen, AgentChoice choice)
    {
        Option<string?> from = new("--ca-from") { Description = "Take over the CA of this cluster, so that both trust one.", HelpName = "CLUSTER" };
        Command command = new("enable", "Make the certificates by which other clusters may connect.") { choice.Context, from };
        command.SetAction(async (parsed, cancellation) =>
        {
            EnableRequest request = new(null, null);
            if (parsed.GetValue(from) is string other)
            {
                EnableResult source = await EnableAsync(choice.Find(other)[0], request, cancellation);
                request = new EnableRequest(source.CaCertificate, source.CaKey);
            }

            EnableResult? first = null;
            foreach (string socket in choice.Find(parsed.GetValue(choice.Context)))
            {
                // All nodes of a cluster have its CA.
                EnableResult result = await EnableAsync(socket, request, cancellation);
                first ??= result;
                request = new EnableRequest(first.CaCertificate, first.CaKey);
                screen.Output.WriteLine($"{NodeOf(socket, parsed.GetValue(choice.Context))}:");
                Print(screen, result.Lines.Select(l => $"  {l}"));
            }
        });
        return command;
    }

    private static Command Connect(Screen screen, AgentChoice choice)
    {
        Option<string> destination = Destination();
        Command command = new("connect", "Connect two clusters with each other.") { choice.Context, destination };
        command.SetAction(async (parsed, cancellation) =>
        {
            string local = Needed(parsed.GetValue(choice.Context));
            string remote = parsed.GetRequiredValue(destination);
            AccessDocument ours = await ExtractAsync(screen, choice, local, cancellation);
            AccessDocument theirs = await ExtractAsync(screen, choice, remote, cancellation);
            Print(screen, MeshChecks.Check(ours, theirs));
            foreach ((string at, AccessDocument to, string name) in ((string, AccessDocument, string)[])[(local, theirs, remote), (remote, ours, local)])
            {
                screen.Output.WriteLine($"ℹ️ Configuring Cilium in cluster {at} to connect to cluster {name}");
                foreach (string socket in choice.Find(at))
                {
                    await AskAsync(socket, "connect", to, AgentJson.Default.AccessDocument, AgentJson.Tolerant.TextResult, cancellation);
                }
            }

            screen.Output.WriteLine($"✅ Connected cluster {local} <=> {remote}!");
        });
        return command;
    }

    private static Command Disconnect(Screen screen, AgentChoice choice)
    {
        Option<string> destination = Destination();
        Command command = new("disconnect", "Disconnect two clusters from each other.") { choice.Context, destination };
        command.SetAction(async (parsed, cancellation) =>
        {
            string local = Needed(parsed.GetValue(choice.Context));
            string remote = parsed.GetRequiredValue(destination);
            foreach ((string at, string from) in ((string, string)[])[(local, remote), (remote, local)])
            {
                screen.Output.WriteLine($"ℹ️ Disconnecting cluster {at} from cluster {from}");
                foreach (string socket in choice.Find(at))
                {
                    await AskAsync(socket, "disconnect", new ClusterRequest(from), AgentJson.Default.ClusterRequest, AgentJson.Tolerant.TextResult, cancellation);
                }
            }

            screen.Output.WriteLine($"✅ Disconnected clusters {local} and {remote}.");
        });
        return command;
    }

    private static Command Troubleshoot(Screen screen, AgentChoice choice)
    {
        Argument<string?> cluster = new("cluster") { Description = "Only this remote cluster.", Arity = ArgumentArity.ZeroOrOne };
        Command command = new("troubleshoot", "Try the way to other clusters step by step; the exit code is 1 when a step fails.") { choice.Context, cluster };
        command.SetAction(async (parsed, cancellation) =>
        {
            bool well = true;
            foreach (string socket in choice.Find(parsed.GetValue(choice.Context)))
            {
                TextResult result = await AskAsync(
                    socket, "troubleshoot", new ClusterRequest(parsed.GetValue(cluster)), AgentJson.Default.ClusterRequest, AgentJson.Tolerant.TextResult, cancellation);
                screen.WriteHeader($"{NodeOf(socket, parsed.GetValue(choice.Context))}:");
                Print(screen, result.Lines);
                well &= !result.Lines.Any(l => l.Contains('❌', StringComparison.Ordinal));
            }

            return well ? CommandLine.Ok : CommandLine.Failed;
        });
        return command;
    }

    private static Command Annotate(Screen screen, AgentChoice choice)
    {
        Argument<string> kind = new("kind") { Description = "service" };
        kind.AcceptOnlyFromAmong("service", "svc");
        Argument<string> name = new("name") { Description = "Name, or namespace/name." };
        Argument<string[]> values = new("key=value") { Description = "An annotation; key- removes it.", Arity = ArgumentArity.OneOrMore };
        Option<bool> overwrite = new("--overwrite") { Description = "Also when it has another value." };
        Command command = new("annotate", "Annotate a service of a cluster.") { kind, name, values, overwrite, choice.Context };
        command.SetAction(async (parsed, cancellation) =>
        {
            Dictionary<string, string> annotations = [];
            foreach (string text in parsed.GetRequiredValue(values))
            {
                int at = text.IndexOf('=', StringComparison.Ordinal);
                if (at <= 0 && !text.EndsWith('-'))
                {
                    throw new UsageException($"'{text}' is neither key=value nor key-");
                }

                annotations[at > 0 ? text[..at] : text[..^1]] = at > 0 ? text[(at + 1)..] : "";
            }

            AnnotateRequest request = new(InNamespace(parsed.GetRequiredValue(name)), annotations, parsed.GetValue(overwrite));
            ManifestResult result = await AskAsync(
                await choice.FindOneAsync(parsed.GetValue(choice.Context), cancellation), "annotate", request, AgentJson.Default.AnnotateRequest, AgentJson.Tolerant.ManifestResult, cancellation);
            Print(screen, result.Objects);
        });
        return command;
    }

    private static Command Scale(Screen screen, AgentChoice choice)
    {
        Argument<string> kind = new("kind") { Description = "deployment" };
        kind.AcceptOnlyFromAmong("deployment", "deploy");
        Argument<string> name = new("name") { Description = "Name, or namespace/name." };
        Option<int> replicas = new("--replicas") { Description = "How many pods shall run.", HelpName = "COUNT", Required = true };
        Command command = new("scale", "Set how many pods of a deployment count as running.") { kind, name, replicas, choice.Context };
        command.SetAction(async (parsed, cancellation) =>
        {
            ScaleRequest request = new(InNamespace(parsed.GetRequiredValue(name)), parsed.GetRequiredValue(replicas));
            ManifestResult result = await AskAsync(
                await choice.FindOneAsync(parsed.GetValue(choice.Context), cancellation), "scale", request, AgentJson.Default.ScaleRequest, AgentJson.Tolerant.ManifestResult, cancellation);
            Print(screen, result.Objects);
        });
        return command;
    }

    private static Option<string> Destination() => new("--destination-context") { Description = "The other cluster.", HelpName = "CLUSTER", Required = true };

    private static string Needed(string? context) => context ?? throw new UsageException("name the cluster with --context");

    /// <summary>Without the cluster in front where that has been said.</summary>
    private static string NodeOf(string socket, string? cluster) => ControlPaths.NodeOf(socket)[(cluster is null ? 0 : cluster.Length + 1)..];

    private static string InNamespace(string name) => name.Contains('/', StringComparison.Ordinal) ? name : $"default/{name}";

    private static async Task<AccessDocument> ExtractAsync(Screen screen, AgentChoice choice, string cluster, CancellationToken cancellation)
    {
        screen.Output.WriteLine($"✨ Extracting access information of cluster {cluster}...");
        AccessDocument access = await AccessAsync(choice.Find(cluster)[0], cancellation);
        screen.Output.WriteLine($"🔑 Extracting secrets from cluster {cluster}...");
        if (new Uri(access.Endpoint).Port is >= 30000 and <= 32767)
        {
            screen.Output.WriteLine("⚠️ Service type NodePort detected! Service may fail when nodes are removed from the cluster!");
        }

        screen.Output.WriteLine($"ℹ️ Found ClusterMesh service IPs: [{access.Address}]");
        return access;
    }

    private static Task<AccessDocument> AccessAsync(string socket, CancellationToken cancellation) =>
        AskAsync(socket, "access", new NoContent(), ControlJson.Default.NoContent, AgentJson.Tolerant.AccessDocument, cancellation);

    private static Task<EnableResult> EnableAsync(string socket, EnableRequest request, CancellationToken cancellation) =>
        AskAsync(socket, "enable", request, AgentJson.Default.EnableRequest, AgentJson.Tolerant.EnableResult, cancellation);

    private static Task<AgentStatus[]> AskAllAsync(IReadOnlyList<string> sockets, CancellationToken cancellation) =>
        Task.WhenAll(sockets.Select(s => AgentChoice.StatusAsync(s, cancellation)));

    private static async Task<TResult> AskAsync<T, TResult>(
        string socket, string method, T request, JsonTypeInfo<T> type, JsonTypeInfo<TResult> resultType, CancellationToken cancellation)
    {
        await using ControlClient client = await AgentChoice.ConnectAsync(socket, cancellation);
        return await client.CallAsync(method, request, type, resultType, cancellation);
    }

    private static void Print(Screen screen, IEnumerable<string> lines)
    {
        foreach (string line in lines)
        {
            screen.Output.WriteLine(line);
        }
    }
}
