using System.Net.Sockets;
using System.Text;
using System.Text.RegularExpressions;
using ClusterMesh.Datapath.Control;
using ClusterMesh.Datapath.Control.Rows;
using ClusterMesh.Datapath.Mesh.Tests;

namespace ClusterMesh.Datapath.Forwarder.Tests;

/// <summary>A worker that does not turn is said, with its stack, and the service manager is told no more that all is well.</summary>
public sealed class StuckWorkerTests
{
    private const string Freezer = "/sys/fs/cgroup/freezer";

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void The_stack_of_a_thread_that_waits_or_runs_is_seen(bool waits)
    {
        using var begun = new ManualResetEventSlim();
        using var release = new ManualResetEventSlim();
        int id = 0;
        bool isOver = false;
        var thread = new Thread(() =>
        {
            id = Io.KernelThread.OwnId;
            begun.Set();
            if (waits)
            {
                WaitHere(release);
            }
            else
            {
                SpinHere(ref isOver);
            }
        })
        {
            IsBackground = true,
        };
        thread.Start();
        begun.Wait();
        string stack = Command.Run(Path.Combine(AppContext.BaseDirectory, "cmesh-forwarder"), $"--stack-of {Environment.ProcessId} {id}");
        release.Set();
        Volatile.Write(ref isOver, true);
        thread.Join();
        Assert.Contains($"{nameof(StuckWorkerTests)}.{(waits ? nameof(WaitHere) : nameof(SpinHere))}", stack);
        Assert.Single(stack.Trim().Split('\n'));
        (int code, string refusal) = Command.TryRun(Path.Combine(AppContext.BaseDirectory, "cmesh-forwarder"), $"--stack-of {Environment.ProcessId} 1");
        Assert.Equal(1, code);
        Assert.Contains("has no such thread", refusal);
    }

    /// <summary>One thread of a real forwarder is frozen: the freezer of cgroup v1 takes single threads.</summary>
    [Fact]
    public async Task A_frozen_worker_is_reported_and_so_is_its_return()
    {
        Assert.SkipUnless(Directory.Exists(Freezer), "needs the freezer of cgroup v1");
        using World world = new();
        string notify = Path.Combine(world.RunDirectory, "notify");
        using var manager = new Socket(AddressFamily.Unix, SocketType.Dgram, ProtocolType.Unspecified) { ReceiveTimeout = 20_000 };
        manager.Bind(new UnixDomainSocketEndPoint(notify));
        using ForwarderProcess forwarder = await ForwarderProcess.StartAsync(
            world, $"--config {world.NodeFile()} --watchdog 1500", world.SocketPath, new Dictionary<string, string> { ["NOTIFY_SOCKET"] = notify, ["WATCHDOG_USEC"] = "1000000" });
        Assert.Equal($"READY=1\nMAINPID={forwarder.Id}\nSTATUS=west/west-worker with 4 ports is up", Hear(manager));
        Assert.Equal("WATCHDOG=1", Hear(manager));
        Assert.Equal("WATCHDOG=1", Hear(manager));

        string worker = Directory.GetDirectories($"/proc/{forwarder.Id}/task").Single(t => File.ReadAllText(t + "/comm").Trim() == "worker-0");
        string group = Directory.CreateDirectory($"{Freezer}/cmf{Environment.ProcessId}").FullName;
        try
        {
            File.WriteAllText($"{group}/tasks", Path.GetFileName(worker));
            File.WriteAllText($"{group}/freezer.state", "FROZEN");
            await Eventually.TrueAsync(() => forwarder.Errors.Contains("stack"), () => forwarder.Errors);
            Assert.Matches(new Regex(@"(?m)^cmesh-forwarder: worker-0 has not turned for \d\.\d s: thread \d+ .+; stack .*Worker\.RunOnce < .*Worker\.Run"), forwarder.Errors);
            await using (ControlClient client = await ControlClient.ConnectAsync(world.SocketPath))
            {
                WorkerRow row = (await client.GetStatusAsync()).Workers[0];
                Assert.True(row.StuckMilliseconds >= 1500 && row.StuckCount == 1, $"{row}");
                ControlException refusal = await Assert.ThrowsAsync<ControlException>(async () => await client.ListAsync(ControlKinds.Neighbor).ToListAsync());
                Assert.Equal((ErrorCode.WorkerStuck, true), (refusal.Code, refusal.Message.StartsWith("worker-0 did not turn for 2 s", StringComparison.Ordinal)));
                refusal = await Assert.ThrowsAsync<ControlException>(() => client.DeleteAsync("endpoint", ["default/a"]));
                Assert.Equal((ErrorCode.WorkerStuck, true), (refusal.Code, refusal.Message.Contains("takes no change; nothing was changed")));
            }

            Drain(manager);
            Assert.Empty(Drain(manager)); // No beat any more.
            File.WriteAllText($"{group}/freezer.state", "THAWED");
            await Eventually.TrueAsync(() => forwarder.Errors.Contains("worker-0 turns again after"), () => forwarder.Errors);
        }
        finally
        {
            File.WriteAllText($"{group}/freezer.state", "THAWED");
            File.WriteAllText($"{Freezer}/tasks", Path.GetFileName(worker));
            Directory.Delete(group);
        }

        Assert.Equal("STATUS=west/west-worker with 4 ports is up", Hear(manager));
        Assert.Equal("WATCHDOG=1", Hear(manager));
        forwarder.Signal("TERM");
        Assert.Equal(0, await forwarder.EndAsync());
        Assert.Contains("STOPPING=1\nSTATUS=west/west-worker with 4 ports stops", Drain(manager));
    }

    private static void WaitHere(ManualResetEventSlim release) => release.Wait();

    private static void SpinHere(ref bool isOver)
    {
        while (!Volatile.Read(ref isOver))
        {
            // Runs.
        }
    }

    private static string Hear(Socket manager)
    {
        byte[] datagram = new byte[1000];
        return Encoding.UTF8.GetString(datagram, 0, manager.Receive(datagram));
    }

    private static List<string> Drain(Socket manager)
    {
        List<string> heard = [];
        while (manager.Poll(TimeSpan.FromSeconds(0.5), SelectMode.SelectRead))
        {
            heard.Add(Hear(manager));
        }

        return heard;
    }
}
