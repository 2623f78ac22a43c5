namespace ClusterMesh.Datapath.Io.Tests;

/// <summary>A network namespace of one test, deleted with it, and at the latest when the test process ends.</summary>
internal sealed class TestNamespace : IDisposable
{
    private static readonly string s_prefix = $"cmt-{Environment.ProcessId}-";
    private static int s_count;

    static TestNamespace() => AppDomain.CurrentDomain.ProcessExit += (_, _) =>
    {
        foreach (string path in Directory.GetFiles("/run/netns", s_prefix + "*"))
        {
            Command.TryRun("ip", $"netns del {Path.GetFileName(path)}");
        }
    };

    /// <param name="withIpv6">False keeps fresh devices from sending multicast reports and solicitations by themselves.</param>
    public TestNamespace(bool withIpv6 = true)
    {
        Assert.SkipUnless(Environment.IsPrivilegedProcess && File.Exists("/dev/net/tun"), "needs root and /dev/net/tun");
        Name = $"{s_prefix}{Interlocked.Increment(ref s_count)}-a";
        Command.Run("ip", $"netns add {Name}");
        if (!withIpv6)
        {
            Command.Run("ip", $"netns exec {Name} sh -c \"echo 1 > /proc/sys/net/ipv6/conf/default/disable_ipv6\"");
        }
    }

    public string Name { get; }

    /// <summary>ip -n with these arguments.</summary>
    public string Ip(string arguments) => Command.Run("ip", $"-n {Name} {arguments}");

    /// <summary>Routes or neighbours as people see them, without blanks at line ends.</summary>
    public string[] IpLines(string arguments) => Ip(arguments).Split('\n', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);

    public void Dispose() => Command.TryRun("ip", $"netns del {Name}");
}
