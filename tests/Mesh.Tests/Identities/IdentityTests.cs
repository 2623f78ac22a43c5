using ClusterMesh.Datapath.Mesh.Identities;
using ClusterMesh.Datapath.Mesh.Objects;
using ClusterMesh.Datapath.Mesh.Schema;
using ClusterMesh.Datapath.Mesh.Store;
using Microsoft.Extensions.Time.Testing;

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
        PodLabels.Of(new PodObject("default", "webpod-1") { Labels = new Dictionary<string, string> { ["app"] = "webpod", ["pod-template-hash"] = "5c8" } }, "west", LocalObjects.Empty).Text);

    [Fact]
    public void The_labels_of_a_pods_namespace_count() => Assert.Equal(
        "k8s:io.cilium.k8s.namespace.labels.kubernetes.io/metadata.name=shop;k8s:io.cilium.k8s.namespace.labels.team=x;k8s:io.cilium.k8s.policy.cluster=west;"
        + "k8s:io.cilium.k8s.policy.serviceaccount=default;k8s:io.kubernetes.pod.namespace=shop;",
        PodLabels.Of(new PodObject("shop", "web"), "west", WithNamespace("shop", "team", "x")).Text);

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

    /// <summary>On the store whose time the test turns: found unused, kept back with its labels, then free for others.</summary>
    [Fact]
    public async Task A_number_without_pods_is_kept_back_and_then_given_free()
    {
        string directory = Directory.CreateTempSubdirectory("cmesh-identities-").FullName;
        FakeTimeProvider time = new();
        await using EmbeddedStore store = EmbeddedStore.Open(directory, time);
        IdentityAllocator agent = new(store, IdentityRange.Of(1, 255));
        uint kept = await agent.AllocateAsync(Labels("kept"));
        uint gone = await agent.AllocateAsync(Labels("gone"));
        HashSet<string>? used = null;
        IdentityCollector collector = new(store, () => used, time, _ => { });
        time.Advance(TimeSpan.FromHours(1));
        Assert.Equal(0, await collector.CollectAsync());
        used = [Labels("kept").Text];
        Assert.Equal(0, await collector.CollectAsync());
        time.Advance(IdentityCollector.UnusedFor - TimeSpan.FromSeconds(1));
        Assert.Equal(0, await collector.CollectAsync());
        time.Advance(TimeSpan.FromSeconds(1));
        Assert.Equal(1, await collector.CollectAsync());
        Assert.Equal(0, await collector.CollectAsync());
        Assert.Equal(2, (await store.ListAsync(IdentityBinding.ByNumber, null, 10)).Entries.Count);

        time.Advance(IdentityCollector.Quarantine + TimeSpan.FromSeconds(1));
        await Eventually.TrueAsync(() => store.Count == 2, () => store.Count);
        Assert.Null(await store.GetAsync(IdentityBinding.NumberKey(gone)));
        Assert.NotNull(await store.GetAsync(IdentityBinding.NumberKey(kept)));
        await store.DisposeAsync();
        Directory.Delete(directory, recursive: true);
    }

    [Fact]
    public async Task Labels_that_come_back_get_their_number_back_on_every_agent()
    {
        FakeTimeProvider time = new();
        IdentityRange tight = new(65536, 65536 + 256 + 1);
        IdentityAllocator first = new(_store, tight);
        IdentityAllocator second = new(_store, tight);
        uint number = await first.AllocateAsync(Labels("a"));
        Assert.Equal(number, await second.AllocateAsync(Labels("a")));
        using CancellationTokenSource stop = new();
        int told = 0;
        Task following = Task.WhenAll(first.FollowAsync(time, () => told++, stop.Token), second.FollowAsync(time, () => told++, stop.Token));
        IdentityCollector collector = new(_store, () => new HashSet<string>(), time, _ => { });
        await collector.CollectAsync();
        time.Advance(IdentityCollector.UnusedFor);
        Assert.Equal(1, await collector.CollectAsync());
        await Eventually.TrueAsync(() => told == 2 && first.Known.Count == 0 && second.Known.Count == 0, () => told);

        // The only other number is given to others, the one kept back is not.
        uint other = await first.AllocateAsync(Labels("b"));
        Assert.NotEqual(number, other);
        await Assert.ThrowsAsync<StoreException>(() => first.AllocateAsync(Labels("c")));
        Assert.Equal(number, await second.AllocateAsync(Labels("a")));
        Assert.Equal(number, await first.AllocateAsync(Labels("a")));
        Assert.All((await _store.ListAsync("cmesh/identities/", null, 10)).Entries, e => Assert.Equal(0, e.Lease));
        await stop.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => following);
    }

    [Fact]
    public async Task Another_store_gives_the_numbers_that_the_labels_had()
    {
        IdentityAllocator before = new(_store, IdentityRange.Of(1, 255));
        uint number = await before.AllocateAsync(Labels("a"));
        await using EtcdServer second = new();
        await second.InitializeAsync();
        await using EtcdStore other = new(second.Settings);
        // Somebody else has the number that the labels would be tried with first.
        Dictionary<string, uint> known = new() { [Labels("a").Text] = number + 7 };
        Assert.Equal(number + 7, await new IdentityAllocator(other, IdentityRange.Of(1, 255), known).AllocateAsync(Labels("a")));
        Assert.Equal(number + 7, await new IdentityAllocator(other, IdentityRange.Of(1, 255), before.Known).AllocateAsync(Labels("a")));
    }

    public async ValueTask DisposeAsync()
    {
        await _store.DisposeAsync();
        await _etcd.DisposeAsync();
    }

    private static IdentityLabels Labels(string app) => IdentityLabels.OfKubernetes(new Dictionary<string, string> { ["app"] = app });

    private static LocalObjects WithNamespace(string name, string key, string value)
    {
        StoreWrite write = LocalObjects.Write(new NamespaceObject(name) { Labels = new Dictionary<string, string> { [key] = value } });
        List<string> refused = [];
        LocalObjects objects = LocalObjects.Empty.With([new StoreChange(write.Key[ObjectKeys.Prefix.Length..], write.Value, 1)], refused);
        Assert.Empty(refused);
        return objects;
    }
}
