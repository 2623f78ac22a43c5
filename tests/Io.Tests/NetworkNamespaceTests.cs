namespace ClusterMesh.Datapath.Io.Tests;

public sealed class NetworkNamespaceTests
{
    [Fact]
    public void A_missing_namespace_is_named_with_the_way_to_make_it()
    {
        var e = Assert.Throws<DeviceException>(() => NetworkNamespace.Open("cmt-absent"));
        Assert.Equal("network namespace 'cmt-absent' does not exist (/run/netns/cmt-absent); create it with: ip netns add cmt-absent", e.Message);
    }

    [Theory]
    [InlineData("")]
    [InlineData("..")]
    [InlineData("a/b")]
    public void A_name_that_is_no_name_is_refused(string name) =>
        Assert.Contains("give a name under /run/netns/ or an absolute path", Assert.Throws<DeviceException>(() => NetworkNamespace.Open(name)).Message, StringComparison.Ordinal);

    [Fact]
    public void A_file_that_is_no_namespace_is_refused()
    {
        string path = Path.GetTempFileName();
        try
        {
            using NetworkNamespace ns = NetworkNamespace.Open(path);
            var e = Assert.Throws<DeviceException>(() => ns.Run(() => 0));
            Assert.Contains("is no network namespace", e.Message, StringComparison.Ordinal);
        }
        finally
        {
            File.Delete(path);
        }
    }

    [Fact]
    public void The_action_runs_inside_and_the_caller_stays_outside()
    {
        using var test = new TestNamespace();
        string outside = ThisThreadsNamespace();
        using NetworkNamespace ns = NetworkNamespace.Open(test.Name);
        string inside = ns.Run(ThisThreadsNamespace);
        Assert.NotEqual(outside, inside);
        Assert.Equal(outside, ThisThreadsNamespace());
        using NetworkNamespace byPath = NetworkNamespace.Open($"/run/netns/{test.Name}");
        Assert.Equal(inside, byPath.Run(ThisThreadsNamespace));
    }

    [Fact]
    public void What_the_action_throws_reaches_the_caller()
    {
        using NetworkNamespace ns = NetworkNamespace.Open("/proc/self/ns/net");
        Assert.SkipUnless(Environment.IsPrivilegedProcess, "needs root");
        var e = Assert.Throws<InvalidOperationException>(() => ns.Run(() => throw new InvalidOperationException("inside")));
        Assert.Equal("inside", e.Message);
    }

    [Fact]
    public void A_disposed_namespace_cannot_be_entered()
    {
        NetworkNamespace ns = NetworkNamespace.Open("/proc/self/ns/net");
        ns.Dispose();
        Assert.Throws<ObjectDisposedException>(() => ns.Run(() => 0));
    }

    private static string ThisThreadsNamespace() => new FileInfo("/proc/thread-self/ns/net").LinkTarget!;
}
