using ClusterMesh.Datapath.Mesh.Identities;
using ClusterMesh.Datapath.Mesh.Objects;
using ClusterMesh.Datapath.Mesh.Schema;
using ClusterMesh.Datapath.Mesh.Store;

namespace ClusterMesh.Datapath.Mesh.Tests.Identities;

/// <summary>Which labels make an identity, and which number it gets.</summary>
public sealed class IdentityTests : IAsyncLifetime
{
    private readonly EtcdServer _etcd = new();
    private EtcdStore _store = null!;

    public async ValueTask InitializeAsync()
    {
        await _etcd.InitializeAsync();
        _store = new EtcdStore(_etcd.Settings);
    }

    [Theory]
    [InlineData("app", true)]
    [InlineData("app.kubernetes.io/name", true)]
    [InlineData("io.kubernetes.pod.namespace", true)]
    [InlineData("io.cilium.k8s.policy.cluster", true)]
    [InlineData("pod-template-hash", false)]
    [InlineData("controller-revision-hash", false)]
    [InlineData("statefulset.kubernetes.io/pod-name", false)]
    [InlineData("topology.kubernetes.io/zone", false)]
    [InlineData("kubernetes.io/hostname", false)]
    [InlineData("io.kubernetes.container", false)]
    [InlineData("beta.kubernetes.io/arch", false)]
    [InlineData("k8s.io/x", false)]
    public void Labels_that_count(string key, bool counts) => Assert.Equal(counts, LabelFilter.Counts(key));

    [Fact]
    public void A_pods_labels_say_where_it_is() => Assert.Equal(
        "k8s:app=webpod;k8s:io.cilium.k8s.policy.cluster=west;k8s:io.cilium.k8s.policy.serviceaccount=default;k8s:io.kubernetes.pod.namespace=default;",
        PodLabels.Of(new PodObject("default", "webpod-1") { Labels = new Dictionary<string, string> { ["app"] = "webpod", ["pod-template-hash"] = "5c8" } }, "west").Text);

    [Fact]
    public async Task Equal_labels_have_one_number_on_all_nodes_and_after_a_restart()
    {
        IdentityRange range = IdentityRange.Of(1, 255);
        IdentityLabels[] labels = [.. Enumerable.Range(0, 50).Select(i => Labels($"app{i}"))];
        IdentityAllocator[] agents = [.. Enumerable.Range(0, 4).Select(_ => new IdentityAllocator(_store, range))];
        uint[][] given = await Task.WhenAll(agents.Select(a => Task.WhenAll(labels.Select(l => a.AllocateAsync(l)))));
        Assert.All(given, g => Assert.Equal(given[0], g));
        Assert.Equal(50, given[0].Distinct().Count());
        Assert.All(given[0], number => Assert.InRange(number, 65536u + 256, 131071u));
        await _etcd.RestartAsync();
        await using EtcdStore again = new(_etcd.Settings);
        Assert.Equal(given[0][7], await new IdentityAllocator(again, range).AllocateAsync(labels[7]));
    }

    [Fact]
    public async Task A_full_range_is_said()
    {
        IdentityRange range = new(65536, 65536 + 256 + 3);
        IdentityAllocator allocator = new(_store, range);
        HashSet<uint> given = [];
        for (int i = 0; i < 4; i++)
        {
            given.Add(await allocator.AllocateAsync(Labels($"app{i}")));
        }

        Assert.Equal(4, given.Count);
        StoreException fault = await Assert.ThrowsAsync<StoreException>(() => allocator.AllocateAsync(Labels("one more")));
        Assert.Equal("no identity is free within 65536 to 65795; are there labels that differ from pod to pod?", fault.Message);
    }

    [Fact]
    public async Task A_cluster_with_another_id_gives_numbers_of_its_own()
    {
        uint first = await new IdentityAllocator(_store, IdentityRange.Of(1, 255)).AllocateAsync(Labels("a"));
        uint second = await new IdentityAllocator(_store, IdentityRange.Of(2, 255)).AllocateAsync(Labels("a"));
        Assert.True(IdentityRange.Of(1, 255).Contains(first) && IdentityRange.Of(2, 255).Contains(second));
    }

    public async ValueTask DisposeAsync()
    {
        await _store.DisposeAsync();
        await _etcd.DisposeAsync();
    }

    private static IdentityLabels Labels(string app) => IdentityLabels.OfKubernetes(new Dictionary<string, string> { ["app"] = app });
}
