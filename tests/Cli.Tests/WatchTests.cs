using ClusterMesh.Datapath.Cli.Text;
using ClusterMesh.Datapath.Control;
using ClusterMesh.Datapath.Control.Messages;
using ClusterMesh.Datapath.Control.Rows;

namespace ClusterMesh.Datapath.Cli.Tests;

public sealed class WatchTests
{
    private static readonly EndpointRow s_curl = new(2, "default/curl-pod", ["10.0.1.105"], "02:00:00:00:00:01", "west-curl-pod", "eth0", "up");
    private static readonly EndpointRow s_web = s_curl with { Id = 3, Name = "default/webpod-1", Addresses = ["10.0.1.14"], Namespace = "west-webpod-1" };

    [Theory]
    [InlineData(false, "EVENT     IP PREFIX/ADDRESS\nADDED     10.1.0.0/16\nADDED     169.254.0.0/16\n", "ADDED     10.5.0.0/16\nREMOVED   10.1.0.0/16\n")]
    [InlineData(true, "{\"subscription\":1,\"kind\":\"masquerade\",\"type\":\"added\",\"key\":\"169.254.0.0/16\"", "\"type\":\"removed\",\"key\":\"10.1.0.0/16\"}\n")]
    public async Task A_watch_prints_what_changes_until_interrupted(bool json, string first, string then)
    {
        await using FakeForwarder fake = new FakeForwarder().With("west", "west-worker");
        using CancellationTokenSource interrupt = new();
        StringWriter inner = new();
        TextWriter output = TextWriter.Synchronized(inner);
        string[] arguments = ["ipmasq", "list", "--watch", .. json ? (string[])["-o", "json"] : []];
        Task<(int Code, string Output, string Error)> watch = fake.RunAsync("", arguments, output, interrupt.Token);
        await UntilAsync(() => Printed().Contains(json ? "synced\"}\n" : "169.254.0.0/16\n"));
        Assert.StartsWith(first, Printed());
        fake.Exemptions = [new("169.254.0.0/16"), new("10.5.0.0/16")];
        fake.NotifyChanged();
        await UntilAsync(() => Printed().EndsWith(then));
        await interrupt.CancelAsync();
        (int code, _, string error) = await watch;
        Assert.Equal((0, ""), (code, error));

        // A synchronized writer locks itself.
        string Printed()
        {
            lock (output)
            {
                return inner.ToString();
            }
        }
    }

    [Fact]
    public void Every_event_stands_under_the_header()
    {
        EventTable<EndpointRow> table = new(RowTexts.Endpoint, ControlKinds.Endpoint.Key);
        List<string> lines = [.. table.Begin([s_web, s_curl])];
        lines.AddRange(table.Next(Event(WatchEventType.Changed, s_web with { State = "down" })));
        lines.AddRange(table.Next(Event(WatchEventType.Removed, s_web)));
        lines.AddRange(table.Next(Event(WatchEventType.Added, s_web with { Id = 4, Name = "default/a-longer-name" })));
        lines.AddRange(table.Next(Event(WatchEventType.Removed, s_curl)));
        Assert.Equal(
            """
            EVENT     ID   NAME               ADDRESSES    MAC                 NAMESPACE       INTERFACE   STATE
            ADDED     2    default/curl-pod   10.0.1.105   02:00:00:00:00:01   west-curl-pod   eth0        up
            ADDED     3    default/webpod-1   10.0.1.14    02:00:00:00:00:01   west-webpod-1   eth0        up
            CHANGED   3    default/webpod-1   10.0.1.14    02:00:00:00:00:01   west-webpod-1   eth0        down
            REMOVED   3    default/webpod-1   10.0.1.14    02:00:00:00:00:01   west-webpod-1   eth0        down
            ADDED     4    default/a-longer-name   10.0.1.14    02:00:00:00:00:01   west-webpod-1   eth0        up
            REMOVED   2    default/curl-pod        10.0.1.105   02:00:00:00:00:01   west-curl-pod   eth0        up
            """,
            string.Join('\n', lines));
    }

    [Fact]
    public void Further_lines_of_a_row_and_kinds_without_a_header_are_aligned_too()
    {
        ServiceRow service = new(7, "10.2.33.10:80/TCP", "ClusterIP", "default/webpod",
        [
            new ServiceBackendRow(1, 11, "10.0.1.14:80/TCP", "active", "west", false),
            new ServiceBackendRow(2, 12, "10.1.1.2:80/TCP", "active", "east", false),
        ]);
        Assert.Equal(
            [
                "EVENT     ID   Frontend            Service Type   Backend",
                "ADDED     7    10.2.33.10:80/TCP   ClusterIP      1 => 10.0.1.14:80/TCP (active)",
                "                                                  2 => 10.1.1.2:80/TCP (active)",
            ],
            new EventTable<ServiceRow>(RowTexts.Service(affinity: false), ControlKinds.Service.Key).Begin([service]));

        EventTable<SnatRow> mappings = new(RowTexts.Snat, ControlKinds.Snat.Key);
        Assert.Empty(mappings.Begin([]));
        Assert.Equal(["REMOVED   TCP a -> b"], mappings.Next(new WatchEvent<SnatRow>(1, "snat", WatchEventType.Removed, "TCP a -> b")));
    }

    [Fact]
    public async Task A_port_that_goes_down_changes_its_endpoint()
    {
        await using FakeForwarder fake = new FakeForwarder { Endpoints = [s_curl] }.With("west", "west-worker");
        await using ControlClient client = await ControlClient.ConnectAsync(fake.SocketOf("west-west-worker"));
        await foreach (WatchEvent<EndpointRow> happened in client.WatchAsync(ControlKinds.Endpoint, TimeSpan.FromMilliseconds(100)))
        {
            if (happened.Type == WatchEventType.Synced)
            {
                // No configuration changes, so nobody is notified.
                fake.Endpoints = [s_curl with { State = "down" }];
            }
            else if (happened.Type == WatchEventType.Changed)
            {
                Assert.Equal("down", happened.Object!.State);
                break;
            }
        }
    }

    private static WatchEvent<EndpointRow> Event(WatchEventType type, EndpointRow row) =>
        new(1, "endpoint", type, row.Name, type == WatchEventType.Removed ? null : row);

    private static async Task UntilAsync(Func<bool> condition)
    {
        using CancellationTokenSource patience = new(TimeSpan.FromSeconds(20));
        while (!condition())
        {
            await Task.Delay(10, patience.Token);
        }
    }
}
