using System.Globalization;
using ClusterMesh.Datapath.Control;
using ClusterMesh.Datapath.State;

namespace ClusterMesh.Datapath.Forwarder.Tests;

/// <summary>A limit of the control group is respected, or the node says at once that it cannot be.</summary>
public sealed class MemoryBudgetTests
{
    private const string Mount = "/sys/fs/cgroup/memory";
    private const long Mega = 1 << 20;

    [Theory]
    [InlineData("0::/a/b\n", "a/memory.max=1000 a/b/memory.max=max memory.max=5000", 1000L)]
    [InlineData("0::/a/b\n", "a/memory.max=max", null)]
    [InlineData("0::/outside/of/container\n", "memory.max=3000", 3000L)]
    [InlineData("0::/\n", "memory.max=7000", 7000L)]
    [InlineData("4:memory:/x/y\n0::/\n", "memory/x/y/memory.limit_in_bytes=4000 memory/x/memory.limit_in_bytes=9223372036854771712 memory.max=9000", 4000L)]
    [InlineData("4:cpu,memory:/x\n", "memory/memory.limit_in_bytes=6000", 6000L)]
    [InlineData("4:cpu:/x\n", "x/memory.limit_in_bytes=6000", null)]
    public void The_least_limit_of_all_groups_counts(string groups, string files, long? limit)
    {
        string directory = Directory.CreateTempSubdirectory("cmesh-").FullName;
        try
        {
            string own = Path.Combine(directory, "own");
            File.WriteAllText(own, groups);
            foreach (string[] file in files.Split(' ').Select(f => f.Split('=')))
            {
                string path = Path.Combine(directory, "mounts", file[0]);
                Directory.CreateDirectory(Path.GetDirectoryName(path)!);
                File.WriteAllText(path, file[1] + "\n");
            }

            Assert.Equal(limit, MemoryBudget.LimitOf(own, Path.Combine(directory, "mounts")));
            Assert.Null(MemoryBudget.LimitOf(Path.Combine(directory, "nothing"), directory));
        }
        finally
        {
            Directory.Delete(directory, recursive: true);
        }
    }

    [Fact]
    public void Tables_that_do_not_fit_are_refused_in_one_sentence()
    {
        MemoryBudget budget = new(300 * Mega, 256 * Mega);
        Assert.Equal(
            "node.yaml: tables: they take 300 MiB and the program 96 MiB, but the control group allows 256 MiB; make conntrackEntries or snatEntries smaller, or the limit larger",
            Assert.Throws<ConfigurationException>(() => budget.Require("node.yaml")).Message);
        Assert.True(new MemoryBudget(160 * Mega, 256 * Mega).Fits);
        Assert.True(new MemoryBudget(1 << 40, null).Fits);
        Assert.Null(new MemoryBudget(1, null).HeapLimit);
        Assert.Null(new MemoryBudget(1, null).Describe());
    }

    /// <summary>In a real group, with tables as large as it allows.</summary>
    [Fact]
    public async Task A_forwarder_lives_within_the_limit_of_its_group()
    {
        Assert.SkipUnless(Directory.Exists(Mount) && Environment.IsPrivilegedProcess, "needs root and the memory controller of cgroup v1");
        const long Limit = 256 * Mega;
        using World world = new();
        string group = Directory.CreateDirectory($"{Mount}/cmf{Environment.ProcessId}").FullName;
        string before = File.ReadLines("/proc/self/cgroup").Select(l => l.Split(':')).Single(g => g[1] == "memory")[2];
        try
        {
            File.WriteAllText($"{group}/memory.limit_in_bytes", Limit.ToString(CultureInfo.InvariantCulture));
            string large = world.NodeFile(file: "large.yaml");
            File.WriteAllText(large, File.ReadAllText(large).Replace("conntrackEntries: 65536", "conntrackEntries: 4000000", StringComparison.Ordinal));
            string program = Path.Combine(AppContext.BaseDirectory, "cmesh-forwarder");
            (int code, string output) = Command.TryRun("sh", $"-c \"echo 0 > {group}/cgroup.procs; exec {program} --config {large}\"");
            Assert.Equal(2, code);
            Assert.Contains("but the control group allows 256 MiB; make conntrackEntries or snatEntries smaller, or the limit larger\n", output);

            string fitting = world.NodeFile();
            File.WriteAllText(fitting, File.ReadAllText(fitting).Replace("conntrackEntries: 65536", "conntrackEntries: 800000", StringComparison.Ordinal));
            using ForwarderProcess forwarder = await ForwarderProcess.StartInGroupAsync(world, $"--config {fitting}", group);
            Assert.Contains("MiB of the 256 MiB that the control group allows", forwarder.Errors);
            Assert.True(world.Ping("a", "10.0.1.12"));
            await using (ControlClient client = await ForwarderProcess.ConnectAsync(world))
            {
                Assert.Equal(1, (await client.MergeAsync(world.Endpoint("c", "10.0.1.13"))).Changed);
            }

            long peak = long.Parse(File.ReadAllText($"{group}/memory.max_usage_in_bytes"), CultureInfo.InvariantCulture);
            TestContext.Current.SendDiagnosticMessage($"most memory: {peak / Mega} MiB; {string.Join(' ', File.ReadLines($"/proc/{forwarder.Id}/status").Where(l => l.StartsWith("Vm", StringComparison.Ordinal) || l.StartsWith("Rss", StringComparison.Ordinal)))}");
            Assert.Equal("0", File.ReadAllText($"{group}/memory.failcnt").Trim());
            forwarder.Signal("TERM");
            Assert.Equal(0, await forwarder.EndAsync());
        }
        finally
        {
            foreach (string process in File.ReadAllLines($"{group}/cgroup.procs"))
            {
                File.WriteAllText($"{Mount}{before}/cgroup.procs", process);
            }

            Directory.Delete(group);
        }
    }
}
