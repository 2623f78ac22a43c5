using System.Diagnostics;
using ClusterMesh.Datapath.Control;
using ClusterMesh.Datapath.Control.Agent;
using ClusterMesh.Datapath.Control.Messages;
using ClusterMesh.Datapath.Mesh.Schema;
using ClusterMesh.Datapath.Mesh.Store;

namespace ClusterMesh.Datapath.Agent.Tests;

/// <summary>The program itself: killed as a machine kills it, and on a disk that is full.</summary>
public sealed class AgentProcessTests : IAsyncDisposable
{
    private const int NodeCount = 3_000;
    private readonly string _root = Directory.CreateTempSubdirectory("cmesh-process-").FullName;
    private readonly List<Process> _started = [];

    private string Socket => Path.Combine(_root, "agent.sock");

    /// <summary>Killed again and again in the middle of taking thousands of records: what the forwarder has is never taken from it, and in the end it has all.</summary>
    [Fact]
    public async Task An_agent_that_is_killed_during_a_sync_takes_nothing_away_and_finishes_at_the_next_start()
    {
        await using EtcdServer etcd = new();
        await etcd.InitializeAsync();
        await using EtcdStore east = new(etcd.Settings);
        await FillAsync(east);
        Directory.CreateDirectory(Path.Combine(_root, "clustermesh"));
        await File.WriteAllTextAsync(Path.Combine(_root, "clustermesh", "east"), $"endpoints: [\"{etcd.Url}\"]\n");
        await using TestForwarder forwarder = new(Path.Combine(_root, "control.sock"));
        Settings(Path.Combine(_root, "store"));
        Random random = new(11);
        for (int round = 0; round < 4; round++)
        {
            Process agent = Start();
            int pushes = forwarder.Modes.Count;
            // Killed at some moment behind the first word to the forwarder: with some of the records, or all.
            await Eventually.TrueAsync(() => forwarder.Modes.Count > pushes + random.Next(3) || forwarder.Document.Nodes!.Count == NodeCount, () => forwarder.Document.Nodes!.Count);
            agent.Kill();
            await agent.WaitForExitAsync();
            Assert.Empty(forwarder.Removed);
        }

        Start();
        await Eventually.TrueAsync(() => forwarder.Document.Nodes!.Count == NodeCount, () => forwarder.Document.Nodes!.Count);
        Assert.Empty(forwarder.Removed);

        // What went while it was dead goes once the list is complete.
        _started[^1].Kill();
        await _started[^1].WaitForExitAsync();
        await east.CommitAsync([new StoreWrite(MeshKeys.Node("east", "n17"), null)]);
        Start();
        await Eventually.TrueAsync(() => forwarder.Document.Nodes!.Count == NodeCount - 1, () => forwarder.Document.Nodes!.Count);
        Assert.Equal(["node east/n17"], forwarder.Removed);
    }

    /// <summary>A store of 256 KiB: what does not fit is refused in words, what is there works on, and with room it goes on.</summary>
    [Fact]
    public async Task A_full_disk_refuses_new_objects_and_nothing_else()
    {
        string small = Path.Combine(_root, "small");
        Directory.CreateDirectory(small);
        using (Process mount = Process.Start("mount", ["-t", "tmpfs", "-o", "size=256k", "cmesh-test", small]))
        {
            await mount.WaitForExitAsync();
            Assert.Equal(0, mount.ExitCode);
        }

        try
        {
            await using TestForwarder forwarder = new(Path.Combine(_root, "control.sock"));
            Settings(small);
            Start();
            await using ControlClient client = await ConnectAsync();
            await ApplyAsync(client, Side.Webpod("10.0.1.", "10.2.164.148"));
            await Eventually.TrueAsync(() => forwarder.Backends("default/webpod", "west") == "10.0.1.1:80 10.0.1.2:80", () => forwarder.Document.Services!.Count);
            string ballast = Path.Combine(small, "ballast");
            FillDisk(ballast);
            ControlException refusal = await Assert.ThrowsAsync<ControlException>(() => ApplyAsync(client, $"kind: ConfigMap\nmetadata: {{name: large}}\ndata: {{text: {new string('x', 100_000)}}}\n"));
            Assert.Equal($"{small}/store.journal: the disk is full; nothing was stored; free some space and try again", refusal.Message);
            AgentStatus status = await client.CallAsync("status", new NoContent(), ControlJson.Default.NoContent, AgentJson.Tolerant.AgentStatus);
            Assert.Equal((false, refusal.Message), (status.StoreConnected, status.Store));
            Assert.Equal("10.0.1.1:80 10.0.1.2:80", forwarder.Backends("default/webpod", "west"));
            File.Delete(ballast);
            await ApplyAsync(client, "kind: Service\nmetadata: {name: later}\nspec: {clusterIP: 10.2.0.9, ports: [{port: 80}]}\n");
            await Eventually.TrueAsync(() => forwarder.Document.Services!.Count == 2, () => forwarder.Document.Services!.Count);
            Assert.Empty(forwarder.Removed);
        }
        finally
        {
            await StopAsync();
            using Process umount = Process.Start("umount", [small]);
            await umount.WaitForExitAsync();
        }
    }

    public async ValueTask DisposeAsync()
    {
        await StopAsync();
        Directory.Delete(_root, recursive: true);
    }

    /// <summary>To the last page: a small write of the agent's own that still succeeds would have the store well again.</summary>
    private static void FillDisk(string path)
    {
        using FileStream file = new(path, FileMode.Create, FileAccess.Write, FileShare.None, bufferSize: 0);
        byte[] page = new byte[4096];
        try
        {
            while (true)
            {
                file.Write(page);
            }
        }
        catch (IOException)
        {
            // It is full.
        }
    }

    private static async Task FillAsync(EtcdStore east)
    {
        foreach (int[] chunk in Enumerable.Range(0, NodeCount).Chunk(128))
        {
            await east.CommitAsync([.. chunk.Select(i => new StoreWrite(MeshKeys.Node("east", $"n{i}"), new MeshNode($"n{i}", "east", 2)
            {
                Addresses = [new NodeAddress(NodeAddress.InternalIp, $"172.20.{i >> 8}.{i & 255}")],
                Ipv4AllocCidr = Wire.IpPrefix.Parse($"10.{100 + (i >> 8)}.{i & 255}.0/24"),
            }.Write()))]);
        }

        await east.CommitAsync([new StoreWrite(MeshKeys.ClusterConfig("east"), """{"id":2}"""u8.ToArray())]);
    }

    private static Task<ManifestResult> ApplyAsync(ControlClient client, string manifest) => client.CallAsync(
        "apply", new ManifestRequest([new ManifestFile("test.yaml", manifest)]), AgentJson.Default.ManifestRequest, AgentJson.Tolerant.ManifestResult);

    private void Settings(string store) => File.WriteAllText(Path.Combine(_root, "agent.yaml"), $$"""
        cluster: {name: west, id: 1}
        node: {name: west-worker, addresses: [172.18.0.5], podCIDRs: [10.0.1.0/24]}
        store: {directory: {{store}}}
        remote: {directory: {{_root}}/clustermesh}
        forwarder: {socket: {{_root}}/control.sock}
        socket: {{Socket}}
        """);

    private Process Start()
    {
        Process agent = Process.Start(new ProcessStartInfo(Path.Combine(AppContext.BaseDirectory, "cmesh-agent"), ["--config", Path.Combine(_root, "agent.yaml")])
        {
            RedirectStandardError = true,
            RedirectStandardOutput = true,
        })!;
        agent.BeginErrorReadLine();
        agent.BeginOutputReadLine();
        _started.Add(agent);
        return agent;
    }

    private async Task<ControlClient> ConnectAsync()
    {
        await Eventually.TrueAsync(() => File.Exists(Socket), () => "no socket");
        return await ControlClient.ConnectAsync(Socket, TimeSpan.FromSeconds(30));
    }

    private async Task StopAsync()
    {
        foreach (Process agent in _started)
        {
            if (!agent.HasExited)
            {
                agent.Kill();
            }

            await agent.WaitForExitAsync();
        }
    }
}
