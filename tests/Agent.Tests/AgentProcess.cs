using System.Diagnostics;
using System.Text;
using System.Text.Json.Serialization.Metadata;
using ClusterMesh.Datapath.Control;
using ClusterMesh.Datapath.Control.Agent;
using ClusterMesh.Datapath.Forwarder.Tests;

namespace ClusterMesh.Datapath.Agent.Tests;

/// <summary>The program cmesh-agent beside a forwarder of a <see cref="World"/>, and cmesh as a person runs it there.</summary>
internal sealed class AgentProcess : IDisposable
{
    private static readonly TimeSpan s_limit = TimeSpan.FromSeconds(30);

    private readonly World _world;
    private readonly Process _process;
    private readonly StringBuilder _errors = new(); // guarded by itself
    private readonly TaskCompletionSource<string> _firstLine = new(TaskCreationOptions.RunContinuationsAsynchronously);

    private AgentProcess(World world, string config)
    {
        _world = world;
        _process = Process.Start(new ProcessStartInfo(Path.Combine(AppContext.BaseDirectory, "cmesh-agent"), $"--config {config}")
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            Environment = { ["CMESH_RUN_DIR"] = world.RunDirectory },
        })!;
        _process.OutputDataReceived += (_, line) => _firstLine.TrySetResult(line.Data ?? "");
        _process.ErrorDataReceived += (_, line) =>
        {
            lock (_errors)
            {
                _errors.AppendLine(line.Data);
            }
        };
        _process.BeginOutputReadLine();
        _process.BeginErrorReadLine();
        AppDomain.CurrentDomain.ProcessExit += Kill;
    }

    public string Errors
    {
        get
        {
            lock (_errors)
            {
                return _errors.ToString();
            }
        }
    }

    public string Directory => Path.GetDirectoryName(_world.SocketPath)!;

    /// <param name="observe">The section's lines, each indented by two.</param>
    public static async Task<AgentProcess> StartAsync(World world, string observe = "")
    {
        string config = Path.Combine(world.RunDirectory, "agent.yaml");
        await File.WriteAllTextAsync(config, $$"""
            cluster: {name: west, id: 1}
            node: {name: west-worker, addresses: [172.18.0.5], podCIDRs: [10.0.1.0/24], labels: {zone: a} }
            store: {directory: {{world.RunDirectory}}/store}
            remote: {directory: {{world.RunDirectory}}/clustermesh}

            """ + (observe.Length == 0 ? "" : $"observe:\n{observe}\n"));
        AgentProcess agent = new(world, config);
        try
        {
            string line = await agent._firstLine.Task.WaitAsync(s_limit);
            Assert.True(line.StartsWith("cmesh-agent ", StringComparison.Ordinal), line + agent.Errors);
            return agent;
        }
        catch
        {
            agent.Dispose();
            throw;
        }
    }

    public Task<ManifestResult> ApplyAsync(string manifest) => CallAsync(
        "apply", new ManifestRequest([new ManifestFile("test.yaml", manifest)]), AgentJson.Default.ManifestRequest, AgentJson.Tolerant.ManifestResult);

    public async Task<TResult> CallAsync<T, TResult>(string method, T request, JsonTypeInfo<T> type, JsonTypeInfo<TResult> resultType)
    {
        await using ControlClient client = await ControlClient.ConnectAsync(Path.Combine(Directory, "agent.sock"), s_limit);
        return await client.CallAsync(method, request, type, resultType);
    }

    /// <summary>Runs cmesh to its end.</summary>
    public (int Code, string Output) Run(string arguments) => Command.TryRun("env", $"CMESH_RUN_DIR={_world.RunDirectory} {Path.Combine(AppContext.BaseDirectory, "cmesh")} {arguments}");

    /// <summary>Asks the program to end; its exit code.</summary>
    public async Task<int> StopAsync()
    {
        Command.Run("kill", $"-TERM {_process.Id}");
        await _process.WaitForExitAsync().WaitAsync(s_limit);
        return _process.ExitCode;
    }

    public void Dispose()
    {
        AppDomain.CurrentDomain.ProcessExit -= Kill;
        Kill(null, EventArgs.Empty);
        _process.Dispose();
    }

    private void Kill(object? sender, EventArgs e)
    {
        if (!_process.HasExited)
        {
            _process.Kill();
            _process.WaitForExit();
        }
    }
}
