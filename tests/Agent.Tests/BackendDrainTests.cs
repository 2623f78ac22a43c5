using ClusterMesh.Datapath.Control.Documents;
using Microsoft.Extensions.Time.Testing;

namespace ClusterMesh.Datapath.Agent.Tests;

/// <summary>Backends that go keep their flows for a while.</summary>
public sealed class BackendDrainTests : IDisposable
{
    private readonly FakeTimeProvider _time = new();
    private readonly BackendDrain _drain;
    private int _woken;

    public BackendDrainTests() => _drain = new BackendDrain(TimeSpan.FromSeconds(3), _time, () => _woken++);

    [Fact]
    public void A_backend_that_goes_takes_no_new_flows_until_it_is_gone()
    {
        Assert.Equal("10.0.1.1 10.1.1.1", Shown(["10.0.1.1", "10.1.1.1"]));
        Assert.Equal("10.0.1.1 10.1.1.1=terminating-not-serving", Shown(["10.0.1.1"]));
        _time.Advance(TimeSpan.FromSeconds(2.9));
        Assert.Equal("10.0.1.1 10.1.1.1=terminating-not-serving", Shown(["10.0.1.1"]));
        Assert.Equal(0, _woken);
        _time.Advance(TimeSpan.FromSeconds(0.2));
        Assert.Equal(1, _woken);
        Assert.Equal("10.0.1.1", Shown(["10.0.1.1"]));
    }

    [Fact]
    public void One_that_comes_back_is_as_it_was()
    {
        Shown(["10.0.1.1", "10.1.1.1"]);
        Shown(["10.0.1.1"]);
        Assert.Equal("10.0.1.1 10.1.1.1", Shown(["10.0.1.1", "10.1.1.1"]));
        _time.Advance(TimeSpan.FromSeconds(10));
        Assert.Equal("10.0.1.1 10.1.1.1", Shown(["10.0.1.1", "10.1.1.1"]));
    }

    [Fact]
    public void Those_of_a_cluster_that_is_disconnected_go_at_once()
    {
        Shown(["10.0.1.1", "10.1.1.1"]);
        Assert.Equal("10.0.1.1", Shown(["10.0.1.1"], isEastThere: false));

        // Also when they were going already.
        Shown(["10.0.1.1", "10.1.1.1"]);
        Shown(["10.0.1.1"]);
        Assert.Equal("10.0.1.1", Shown(["10.0.1.1"], isEastThere: false));
    }

    [Fact]
    public void A_service_that_is_gone_takes_them_along()
    {
        Shown(["10.0.1.1", "10.1.1.1"]);
        Shown(["10.0.1.1"]);
        Assert.Empty(_drain.Apply(new ChangeDocument { Services = [] }, _ => true).Services!);
        Assert.Equal("10.0.1.1", Shown(["10.0.1.1"]));
    }

    [Fact]
    public void Without_patience_nothing_is_kept()
    {
        using BackendDrain none = new(TimeSpan.Zero, _time, () => _woken++);
        none.Apply(Wanted(["10.0.1.1", "10.1.1.1"]), _ => true);
        Assert.Single(none.Apply(Wanted(["10.0.1.1"]), _ => true).Services![0].Backends);
        _time.Advance(TimeSpan.FromSeconds(10));
        Assert.Equal(0, _woken);
    }

    public void Dispose() => _drain.Dispose();

    private static ChangeDocument Wanted(string[] addresses) => new()
    {
        Services =
        [
            new ServiceDocument
            {
                Name = "default/webpod",
                Backends = [.. addresses.Select(a => new BackendDocument { Address = a, Port = 80, Cluster = a.StartsWith("10.1.", StringComparison.Ordinal) ? "east" : "west" })],
            },
        ],
    };

    private string Shown(string[] addresses, bool isEastThere = true) => string.Join(' ', _drain.Apply(Wanted(addresses), c => c == "west" || isEastThere)
        .Services!.Single().Backends.Select(b => b.State is null ? b.Address : $"{b.Address}={b.State}"));
}
