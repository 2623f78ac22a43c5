using System.Globalization;
using System.Runtime.InteropServices;
using ClusterMesh.Datapath.Control;
using ClusterMesh.Datapath.Control.Messages;
using ClusterMesh.Datapath.Io;
using ClusterMesh.Datapath.Mesh.Tests;

namespace ClusterMesh.Datapath.Forwarder.Tests;

/// <summary>What a forwarder has given up, and that it works without. Every other test of the program runs in the sandbox as well.</summary>
public sealed class SandboxTests
{
    private static readonly string s_program = Path.Combine(AppContext.BaseDirectory, "cmesh-forwarder");

    [Fact]
    public async Task A_running_forwarder_has_no_capabilities_and_still_opens_ports()
    {
        using World world = new();
        using ForwarderProcess forwarder = await ForwarderProcess.StartAsync(world);
        AssertBare(forwarder.Id);
        int opener = OpenerOf(forwarder.Id);
        Dictionary<string, string> status = Status(opener);
        ulong allowed = (1ul << 12) | (1ul << 19) | (1ul << 21); // CAP_NET_ADMIN, CAP_SYS_PTRACE, CAP_SYS_ADMIN
        Assert.Equal(0ul, ulong.Parse(status["CapPrm"], NumberStyles.HexNumber, CultureInfo.InvariantCulture) & ~allowed);
        Assert.Equal(0ul, ulong.Parse(status["CapBnd"], NumberStyles.HexNumber, CultureInfo.InvariantCulture) & ~allowed);
        Assert.Equal(("1", "2"), (status["NoNewPrivs"], status["Seccomp"]));

        await using ControlClient client = await ForwarderProcess.ConnectAsync(world);
        ChangeResult result = await client.MergeAsync(world.Endpoint("c", "10.0.1.13"));
        Assert.Equal(1, result.Changed);
        Assert.True(world.Ping("a", "10.0.1.13"));
    }

    [Fact]
    public async Task The_opener_ends_with_a_killed_forwarder_and_a_forwarder_outlives_its_opener()
    {
        using World world = new();
        using ForwarderProcess forwarder = await ForwarderProcess.StartAsync(world);
        Command.Run("kill", $"-KILL {OpenerOf(forwarder.Id)}");
        await using (ControlClient client = await ForwarderProcess.ConnectAsync(world))
        {
            ControlException refused = await Assert.ThrowsAsync<ControlException>(() => client.MergeAsync(world.Endpoint("c", "10.0.1.13")));
            Assert.Equal(ErrorCode.DeviceFailed, refused.Code);
            Assert.Contains("the process that opens ports is gone; packets go on, but start the forwarder again to change ports", refused.Message);
        }

        Assert.True(world.Ping("a", "10.0.1.12"));
        using World second = new();
        using ForwarderProcess killed = await ForwarderProcess.StartAsync(second);
        int opener = OpenerOf(killed.Id);
        killed.Signal("KILL");
        await Eventually.TrueAsync(() => !Directory.Exists($"/proc/{opener}") || File.ReadAllText($"/proc/{opener}/stat").Contains(") Z "), () => opener);
    }

    [Fact]
    public async Task A_forwarder_runs_as_another_user()
    {
        const int User = 65_534;
        using World world = new();
        Command.Run("chown", $"{User}:{User} {world.RunDirectory}");
        using ForwarderProcess forwarder = await ForwarderProcess.StartAsync(world, $"--config {world.NodeFile()} --user {User}", world.SocketPath);
        AssertBare(forwarder.Id);
        Assert.Equal([$"{User}", $"{User}", $"{User}", $"{User}"], Status(forwarder.Id)["Uid"].Split('\t'));
        Assert.Equal([$"{User}", $"{User}", $"{User}", $"{User}"], Status(forwarder.Id)["Gid"].Split('\t'));
        Assert.Equal("", Status(forwarder.Id)["Groups"].Trim());
        Assert.True(world.Ping("a", "10.0.1.12"));
        await using ControlClient client = await ForwarderProcess.ConnectAsync(world);
        Assert.Equal(1, (await client.MergeAsync(world.Endpoint("c", "10.0.1.13"))).Changed);
        Assert.True(world.Ping("c", "10.0.1.12"));
    }

    [Theory]
    [InlineData("unshare -n true", "Operation not permitted")]
    [InlineData("unshare -Ur true", "Operation not permitted")]
    [InlineData("mount -t tmpfs none /mnt", "permission denied")]
    [InlineData("mknod /tmp/cmesh-no-such-node c 1 3", "Operation not permitted")]
    [InlineData("perl -MSocket -e socket(my$s,17,3,0)||die$!", "Address family not supported by protocol")]
    [InlineData("perl -e syscall(308,0,0)==0||die$!", "Operation not permitted")] // setns
    public void What_is_never_needed_is_refused(string command, string refusal)
    {
        Assert.SkipUnless(Environment.IsPrivilegedProcess, "needs root, who could do all of it");
        Assert.SkipWhen(command.Contains("syscall", StringComparison.Ordinal) && RuntimeInformation.ProcessArchitecture != Architecture.X64, "a number of x86-64");
        (int code, string output) = Command.TryRun(s_program, $"--in-sandbox {command}");
        Assert.NotEqual(0, code);
        Assert.Contains(refusal, output);
    }

    [Fact]
    public void What_is_needed_is_allowed()
    {
        Assert.Contains("fine", Command.Run(s_program, "--in-sandbox perl -MSocket -e socket(my$s,2,1,0)&&socket(my$t,1,1,0)&&fork>=0&&print('fine')"));
        Assert.Contains("setns", SyscallFilter.Refused);
    }

    [Theory]
    [InlineData("--user no-such-user", "--user: there is no user 'no-such-user' in /etc/passwd; make it (useradd --system no-such-user) or give a number")]
    [InlineData("--user 5 --no-sandbox", "--user goes with the sandbox; leave --no-sandbox out")]
    [InlineData("--admin-group no-such-group", "there is no group 'no-such-group' in /etc/group; make it (groupadd no-such-group) or give its number")]
    [InlineData("--watchdog 100", "--watchdog 100: give a number of milliseconds from 1500 to 3600000")]
    public async Task A_mistake_is_said(string options, string sentence)
    {
        using World world = new();
        (int code, _, string errors) = await ForwarderProcess.RunAsync(world, $"--config {world.NodeFile()} {options}");
        Assert.Equal((2, $"cmesh-forwarder: {sentence}\n"), (code, errors));
    }

    [Fact]
    public async Task Without_the_sandbox_everything_is_done_in_the_process()
    {
        using World world = new();
        using ForwarderProcess forwarder = await ForwarderProcess.StartAsync(world, $"--config {world.NodeFile()} --no-sandbox", world.SocketPath);
        Assert.Equal("0", Status(forwarder.Id)["Seccomp"]);
        Assert.True(world.Ping("a", "10.0.1.12"));
    }

    private static void AssertBare(int process)
    {
        foreach (string task in Directory.GetDirectories($"/proc/{process}/task"))
        {
            Dictionary<string, string> status = StatusAt(task);
            foreach (string set in (string[])["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"])
            {
                Assert.Equal("0000000000000000", status[set]);
            }

            Assert.Equal(("1", "2"), (status["NoNewPrivs"], status["Seccomp"]));
        }
    }

    private static int OpenerOf(int process) => Directory.GetDirectories("/proc").Select(Path.GetFileName).Where(n => n!.All(char.IsAsciiDigit)).Select(int.Parse!)
        .Single(id => CommandLine(id) is [_, "--opener", ..] && Status(id)["PPid"] == $"{process}");

    private static string[] CommandLine(int process)
    {
        try
        {
            return File.ReadAllText($"/proc/{process}/cmdline").Split('\0');
        }
        catch (IOException)
        {
            return []; // It has just ended.
        }
    }

    private static Dictionary<string, string> Status(int process) => StatusAt($"/proc/{process}");

    private static Dictionary<string, string> StatusAt(string directory) =>
        File.ReadLines($"{directory}/status").Select(l => l.Split(":\t", 2)).Where(f => f.Length == 2).ToDictionary(f => f[0], f => f[1]);
}
