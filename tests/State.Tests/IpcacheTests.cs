using ClusterMesh.Datapath.Pipeline;
using ClusterMesh.Datapath.State.Desired;
using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.State.Tests;

/// <summary>Who is behind an address, of all who say something about it.</summary>
public sealed class IpcacheTests
{
    [Theory]
    [InlineData("172.18.0.5", "1 port 0")]
    [InlineData("10.0.1.1", "1 port 0")]
    [InlineData("10.0.1.9", "2")]
    [InlineData("8.8.8.8", "2")]
    public void A_fresh_node_knows_itself(string address, string who) => Assert.Equal(who, Who(Wanted.Writer(), address));

    [Theory]
    [InlineData("8.8.8.8", "9")]
    [InlineData("2001:db8::1", "10")]
    public void The_world_of_a_node_with_both_families_is_two(string address, string who) => Assert.Equal(who, Who(Wanted.Writer(Wanted.DualStack), address));

    [Fact]
    public void An_endpoint_of_which_nobody_knows_the_labels_is_init()
    {
        StateWriter writer = Wanted.Writer();
        writer.Apply(new DesiredChange { Endpoints = [Wanted.Endpoint("a", "10.0.1.5")], Nodes = [Wanted.Node("east/e", "172.18.0.2", "10.1.1.0/24")] });
        Assert.Equal("5 port 2", Who(writer, "10.0.1.5"));
        Assert.Equal("6", Who(writer, "172.18.0.2"));
        writer.Apply(new DesiredChange { Ipcache = [Entry("10.0.1.5/32", 68211, "172.18.0.5"), Entry("172.18.0.2/32", 7), Entry("172.18.0.5/32", 7)] });

        // What is here is behind no tunnel, and the node stays the host.
        Assert.Equal("68211 port 2", Who(writer, "10.0.1.5"));
        Assert.Equal("7", Who(writer, "172.18.0.2"));
        Assert.Equal("1 port 0", Who(writer, "172.18.0.5"));

        writer.Delete(ObjectKind.Ipcache, "10.0.1.5/32", "172.18.0.2/32");
        Assert.Equal("5 port 2", Who(writer, "10.0.1.5"));
        Assert.Equal("6", Who(writer, "172.18.0.2"));
        writer.Delete(ObjectKind.Endpoint, "a");
        writer.Delete(ObjectKind.Node, "east/e");
        Assert.Equal("2", Who(writer, "10.0.1.5"));
        Assert.Equal("2", Who(writer, "172.18.0.2"));
    }

    [Fact]
    public void The_longest_prefix_counts()
    {
        StateWriter writer = Wanted.Writer(Wanted.DualStack);
        writer.Apply(new DesiredChange
        {
            Ipcache = [Entry("10.1.0.0/16", 131_072 + 7), Entry("10.1.1.2/32", 131_072 + 300, "172.18.0.2"), Entry("fd00:10:1::/48", 131_072 + 8)],
        });
        Assert.Equal("131372 behind 172.18.0.2", Who(writer, "10.1.1.2"));
        Assert.Equal("131079", Who(writer, "10.1.1.3"));
        Assert.Equal("131080", Who(writer, "fd00:10:1::9"));
        Assert.Equal("9", Who(writer, "10.2.0.1"));
    }

    [Fact]
    public void A_name_that_is_no_entry_is_not_deleted()
    {
        StateWriter writer = Wanted.Writer();
        KeyNotFoundException e = Assert.Throws<KeyNotFoundException>(() => writer.Delete(ObjectKind.Ipcache, "10.9.0.0/16"));
        Assert.Equal("there is no ipcache entry '10.9.0.0/16'; nothing was deleted", e.Message);
        Assert.Throws<KeyNotFoundException>(() => writer.Delete(ObjectKind.Identity, "68211"));
    }

    /// <summary>Snapshots that are still read keep their meaning while targets come, go and come again.</summary>
    [Fact]
    public void A_random_history_is_what_a_dictionary_says()
    {
        const int Seed = 71;
        var random = new Random(Seed);
        StateWriter writer = Wanted.Writer();
        Dictionary<string, uint> twin = [];
        List<(Snapshot Snapshot, Dictionary<string, uint> Twin)> read = [];
        for (int step = 0; step < 400; step++)
        {
            string[] prefixes = [.. Enumerable.Range(0, random.Next(1, 20)).Select(_ => $"10.7.{random.Next(4)}.{random.Next(40)}/32").Distinct()];
            if (random.Next(3) == 0 && prefixes.Where(twin.ContainsKey).ToArray() is { Length: > 0 } gone)
            {
                writer.Delete(ObjectKind.Ipcache, gone);
                Array.ForEach(gone, p => twin.Remove(p));
            }
            else
            {
                IpcacheSpec[] entries = [.. prefixes.Select(p => Entry(p, (uint)random.Next(300, 340)))];
                writer.Apply(new DesiredChange { Ipcache = entries });
                Array.ForEach(entries, e => twin[e.Prefix.ToString()] = e.Identity);
            }

            read.Add((writer.Current, new Dictionary<string, uint>(twin)));
            if (random.Next(4) == 0)
            {
                read.RemoveRange(0, random.Next(read.Count));
                writer.Reclaim(read[0].Snapshot);
            }

            foreach ((Snapshot snapshot, Dictionary<string, uint> wanted) in read)
            {
                for (int i = 0; i < 160; i++)
                {
                    string address = $"10.7.{i / 40}.{i % 40}";
                    uint found = snapshot.Ipcache.Lookup(IpAddress.Parse(address)).Identity;
                    Assert.True(found == wanted.GetValueOrDefault(address + "/32", 2u), $"seed {Seed}, step {step}: {address} is {found} in version {snapshot.Version}");
                }
            }
        }
    }

    [Fact]
    public void Identities_have_their_labels()
    {
        StateWriter writer = Wanted.Writer();
        writer.Apply(new DesiredChange { Identities = [new IdentitySpec(68211, ["k8s:app=webpod"], "test")] });
        Assert.Equal(["k8s:app=webpod"], writer.LabelsOf(68211));
        Assert.Equal(["reserved:remote-node"], writer.LabelsOf(6));
        Assert.Empty(writer.LabelsOf(68212));
        Assert.Equal([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 68211], writer.Identities().Select(i => (int)i.Id));
    }

    internal static IpcacheSpec Entry(string prefix, uint identity, string? endpoint = null, string cluster = "west") =>
        new(IpPrefix.Parse(prefix), identity, endpoint is null ? default : IpAddress.Parse(endpoint), 0, IpcacheFlags.None, cluster, "kvstore", "test");

    private static string Who(StateWriter writer, string address)
    {
        IpcacheTarget target = writer.Current.Ipcache.Lookup(IpAddress.Parse(address));
        return $"{target.Identity}{(target.Port >= 0 ? $" port {target.Port}" : "")}{(target.TunnelEndpoint != default ? $" behind {target.TunnelEndpoint}" : "")}";
    }
}
