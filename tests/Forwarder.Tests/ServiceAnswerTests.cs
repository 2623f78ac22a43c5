using System.Net;
using System.Net.Sockets;
using ClusterMesh.Datapath.Control;
using ClusterMesh.Datapath.Control.Documents;
using ClusterMesh.Datapath.Control.Messages;
using ClusterMesh.Datapath.Control.Rows;
using ClusterMesh.Datapath.Testing;

namespace ClusterMesh.Datapath.Forwarder.Tests;

/// <summary>How a service chooses, asked over the control socket of a running node and held against what its packets do.</summary>
public sealed class ServiceAnswerTests
{
    private const string Maglev = "service.cilium.io/lb-algorithm";
    private static readonly string[] s_backends = ["10.0.1.11:8080", "10.0.1.12:8080", "10.0.1.12:8081", "10.0.1.12:8082"];

    [Fact]
    public async Task Select_says_what_happens_to_the_next_flow()
    {
        using World world = new();
        using ForwarderProcess forwarder = await ForwarderProcess.StartAsync(world);
        await using ControlClient client = await ForwarderProcess.ConnectAsync(world);
        Socket[] listeners = [world.Listen("b", 8080), world.Listen("b", 8081), world.Listen("b", 8082)];
        await client.MergeAsync(
            Change.Service("default/hash", "10.2.0.1:80", s_backends[1..]) with { Annotations = Annotation(Maglev, "maglev") },
            Change.Service("default/sticky", "10.2.0.2:80", s_backends[1..]) with { SessionAffinity = "ClientIP" },
            Change.Service("default/dice", "10.2.0.3:80", s_backends[1..]),
            Change.Service("default/none", "10.2.0.4:80"),
            Change.Service("default/outside", "30080", s_backends[1..]) with
            {
                LoadBalancerSourceRanges = ["192.0.2.0/24"],
                Frontends = [new FrontendDocument { Type = "LoadBalancer", Address = "203.0.113.1", Port = 80 }, new FrontendDocument { Type = "NodePort", Port = 30080 }],
            });

        // Maglev: the answer, then the connection from the same port.
        for (int port = 40000; port < 40010; port++)
        {
            SelectResult said = await client.SelectAsync("default/hash", $"10.0.1.11:{port}");
            Assert.Equal(("10.2.0.1:80/TCP", "pod", "maglev"), (said.Frontend, said.Client, said.Algorithm));
            Assert.Equal($"Maglev: hash {said.Hash}, entry {said.Entry} of 16381, among 3 active backends", said.Reason);
            Assert.Equal(said.BackendId, await ConnectAsync(world, client, port, "10.2.0.1"));
        }

        // A session: chance first, then the backend that it met.
        SelectResult before = await client.SelectAsync("10.2.0.2:80/TCP", "10.0.1.11:1");
        Assert.Equal(("random among 3 active backends; the client then keeps it", null, 3), (before.Reason, before.Backend, before.Candidates.Count));
        long met = await ConnectAsync(world, client, 41000, "10.2.0.2");
        SelectResult after = await client.SelectAsync("default/sticky", "10.0.1.11:1");
        Assert.Equal(("session affinity: the client was here within the last 10800 s", (long?)met), (after.Reason, after.BackendId));
        Assert.Null((await client.SelectAsync("default/sticky", "10.0.1.12:1")).BackendId);

        Assert.Equal("random among 3 active backends", (await client.SelectAsync("default/dice", "172.18.0.5:1")).Reason);
        Assert.Equal("dropped, Service backend not found (158): no backend takes new flows", (await client.SelectAsync("default/none", "10.0.1.11:1")).Reason);
        Assert.Equal(
            "dropped, Is a ClusterIP (174): only the cluster can ask for it (loadBalancer.externalClusterIP opens it)", (await client.SelectAsync("default/dice", "192.0.2.7:1")).Reason);
        Assert.Equal(
            "dropped, Denied by LB src range check (177): 198.51.100.7 is not in loadBalancerSourceRanges", (await client.SelectAsync("default/outside", "198.51.100.7:1")).Reason);
        Assert.Equal("random among 3 active backends", (await client.SelectAsync("172.18.0.5:30080/TCP", "198.51.100.7:1")).Reason);

        foreach ((string service, string from, string sentence) in ((string, string, string)[])[
            ("default/nope", "10.0.1.11:1", "there is no service or frontend 'default/nope'; cmesh service list shows those that are"),
            ("default/dice", "10.0.1.11", "from: '10.0.1.11' is no client; write an address and a port such as 10.0.1.105:40000 or [fd00::1]:40000"),
            ("default/dice", "[fd00::1]:1", "service default/dice has no frontend of the family of fd00::1; give an address of the other one")])
        {
            Assert.Equal(sentence, (await Assert.ThrowsAsync<ControlException>(() => client.SelectAsync(service, from))).Message);
        }

        foreach (Socket listener in listeners)
        {
            listener.Dispose();
        }
    }

    [Fact]
    public async Task Maglev_shows_the_table()
    {
        using World world = new();
        using ForwarderProcess forwarder = await ForwarderProcess.StartAsync(world);
        await using ControlClient client = await ForwarderProcess.ConnectAsync(world);
        await client.MergeAsync(
            Change.Service("default/hash", "10.2.0.1:80", s_backends) with { Annotations = Annotation(Maglev, "maglev") },
            Change.Service("default/dice", "10.2.0.3:80", s_backends),
            Change.Service("default/none", "10.2.0.4:80"));
        MaglevResult used = await client.GetMaglevAsync("default/hash", null);
        Assert.Equal((true, 16381, 16381, "JLfvgnHc2kaSUFaI"), (used.Used, used.TableSize, used.Table.Count, used.HashSeed));
        Assert.Equal(s_backends.Select(b => $"{b}/TCP"), used.Backends.Select(b => b.Backend));
        Assert.All(used.Backends, b => Assert.Equal(used.Table.Count(id => id == b.Id), b.Entries));
        Assert.All(used.Backends, b => Assert.InRange(b.Entries, 4095, 4096));

        // The same backends make the same table, whichever service has them, and at any size.
        Assert.Equal(used.Table, (await client.GetMaglevAsync("10.2.0.3:80/TCP", 16381)).Table);
        MaglevResult small = await client.GetMaglevAsync("default/dice", 251);
        Assert.Equal((false, 251), (small.Used, small.Table.Count));
        Assert.StartsWith("tableSize: 250 is no size of a Maglev table; use one of 251, ", (await Assert.ThrowsAsync<ControlException>(() => client.GetMaglevAsync("default/dice", 250))).Message);
        Assert.Equal(
            "service default/none has no backend that takes new flows at 10.2.0.4:80/TCP, so it has no Maglev table",
            (await Assert.ThrowsAsync<ControlException>(() => client.GetMaglevAsync("default/none", null))).Message);
    }

    [Fact]
    public async Task Lists_show_states_scopes_and_preference()
    {
        using World world = new();
        using ForwarderProcess forwarder = await ForwarderProcess.StartAsync(world);
        await using ControlClient client = await ForwarderProcess.ConnectAsync(world);
        ServiceDocument web = Change.Service("default/web", "30080", "10.0.1.11:80", "10.1.1.2:80", "10.0.1.12:80");
        web.Backends[1].Cluster = "east";
        web.Backends[2].State = "quarantined";
        await client.MergeAsync(web with
        {
            Annotations = new Dictionary<string, string> { ["service.cilium.io/global"] = "true", ["service.cilium.io/affinity"] = "local" },
            ExternalTrafficPolicy = "Local",
        });
        List<ServiceRow> rows = await client.ListAsync(ControlKinds.Service).ToListAsync();
        Assert.Equal(["0.0.0.0:30080/TCP", "0.0.0.0:30080/TCP/i", "172.18.0.5:30080/TCP", "172.18.0.5:30080/TCP/i"], rows.Select(r => r.Frontend).Order(StringComparer.Ordinal));
        Assert.All(rows, row => Assert.Equal(
            ["1 10.0.1.11:80/TCP active True", "2 10.1.1.2:80/TCP active False", "3 10.0.1.12:80/TCP quarantined True"],
            row.Backends.Select(b => $"{b.Slot} {b.Backend} {b.State} {b.Preferred}")));
        Assert.Equal(["active", "active", "quarantined"], (await client.ListAsync(ControlKinds.Backend).ToListAsync()).Select(b => b.State).Order());
    }

    private static Dictionary<string, string> Annotation(string name, string value) => new() { [name] = value };

    /// <summary>Connects from pod a and says which backend conntrack has noted.</summary>
    private static async Task<long> ConnectAsync(World world, ControlClient client, int port, string address)
    {
        using Socket socket = world.Socket("a", SocketType.Stream);
        socket.Bind(new IPEndPoint(IPAddress.Any, port));
        await socket.ConnectAsync(IPEndPoint.Parse($"{address}:80")).WaitAsync(TimeSpan.FromSeconds(5));
        return (await client.ListAsync(ControlKinds.Conntrack).ToListAsync()).Single(r => r.Direction == "SVC" && r.Source == $"10.0.1.11:{port}").BackendId;
    }
}
