using System.Net.Sockets;
using System.Text;

namespace ClusterMesh.Datapath.Io.Tests;

/// <summary>The protocol of sd_notify(3), heard as a service manager hears it.</summary>
public sealed class ServiceNotifierTests
{
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void The_manager_hears_what_is_said(bool isAbstract)
    {
        string directory = Directory.CreateTempSubdirectory("cmesh-").FullName;
        try
        {
            string name = Path.Combine(directory, "notify");
            using var manager = new Socket(AddressFamily.Unix, SocketType.Dgram, ProtocolType.Unspecified) { ReceiveTimeout = 20_000 };
            manager.Bind(new UnixDomainSocketEndPoint(isAbstract ? '\0' + name : name));
            using var notifier = new ServiceNotifier(isAbstract ? '@' + name : name, TimeSpan.FromSeconds(3), Assert.Fail);
            notifier.Ready("west/worker\nis up");
            Assert.Equal($"READY=1\nMAINPID={Environment.ProcessId}\nSTATUS=west/worker is up", Hear(manager));
            notifier.Beat();
            Assert.Equal("WATCHDOG=1", Hear(manager));
            notifier.Status("worker-0 is stuck");
            Assert.Equal("STATUS=worker-0 is stuck", Hear(manager));
            notifier.Stopping("bye");
            Assert.Equal("STOPPING=1\nSTATUS=bye", Hear(manager));
            Assert.Equal(TimeSpan.FromSeconds(3), notifier.WatchdogInterval);
        }
        finally
        {
            Directory.Delete(directory, recursive: true);
        }
    }

    [Fact]
    public void Without_a_manager_nothing_is_said()
    {
        using var notifier = new ServiceNotifier(null, TimeSpan.FromSeconds(3), Assert.Fail);
        notifier.Ready("up");
        notifier.Beat();
        Assert.Null(notifier.WatchdogInterval);
    }

    [Fact]
    public void A_manager_that_is_not_there_is_told_of_once()
    {
        List<string> log = [];
        using var notifier = new ServiceNotifier("/nowhere/notify", null, log.Add);
        notifier.Ready("up");
        notifier.Beat();
        Assert.StartsWith("the service manager cannot be told 'READY=1': ", Assert.Single(log));
        using var other = new ServiceNotifier('/' + new string('x', 200), null, log.Add);
        Assert.Contains("must have 1 to 107 bytes", log[1]);
    }

    private static string Hear(Socket manager)
    {
        byte[] datagram = new byte[1000];
        return Encoding.UTF8.GetString(datagram, 0, manager.Receive(datagram));
    }
}
