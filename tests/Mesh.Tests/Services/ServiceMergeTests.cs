using ClusterMesh.Datapath.Mesh.Objects;
using ClusterMesh.Datapath.Mesh.Schema;
using ClusterMesh.Datapath.Mesh.Services;
using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.Mesh.Tests.Services;

/// <summary>Merging as tables: what is listed, what is marked, what is used.</summary>
public sealed class ServiceMergeTests
{
    /// <summary>
    /// Local backends are L1 and L2, remote ones of east R1 and R2. A state follows in brackets: t terminating, n not serving. Listed is
    /// what the merge gives; * marks the preferred, and those in the last column get new flows.
    /// </summary>
    [Theory]
    [InlineData("", "L1 L2", "R1 R2", "L1 L2", "L1 L2")]
    [InlineData("global=false", "L1", "R1", "L1", "L1")]
    [InlineData("global=yes", "L1", "R1", "L1", "L1")]
    [InlineData("affinity=remote", "L1", "R1", "L1", "L1")]
    [InlineData("global=true", "L1 L2", "R1 R2", "L1 L2 R1 R2", "L1 L2 R1 R2")]
    [InlineData("global=TRUE", "L1", "R1", "L1 R1", "L1 R1")]
    [InlineData("global=true", "", "R1 R2", "R1 R2", "R1 R2")]
    [InlineData("global=true", "L1 L2", "", "L1 L2", "L1 L2")]
    [InlineData("global=true", "", "", "", "")]
    [InlineData("global=true affinity=none", "L1", "R1", "L1 R1", "L1 R1")]
    [InlineData("global=true affinity=nearby", "L1", "R1", "L1 R1", "L1 R1")]
    [InlineData("global=true affinity=local", "L1 L2", "R1 R2", "L1* L2* R1 R2", "L1 L2")]
    [InlineData("global=true affinity=Local", "L1", "R1", "L1* R1", "L1")]
    [InlineData("global=true affinity=local", "", "R1 R2", "R1 R2", "R1 R2")]
    [InlineData("global=true affinity=local", "L1t", "R1", "L1t* R1", "R1")]
    [InlineData("global=true affinity=local", "L1n", "R1", "L1n* R1", "R1")]
    [InlineData("global=true affinity=local", "L1 L2t", "R1", "L1* L2t* R1", "L1")]
    [InlineData("global=true affinity=local least=2", "L1 L2", "R1", "L1* L2* R1", "L1 L2")]
    [InlineData("global=true affinity=local least=2", "L1 L2t", "R1 R2", "L1* L2t* R1 R2", "L1 R1 R2")]
    [InlineData("global=true affinity=local least=3", "L1 L2", "", "L1* L2*", "L1 L2")]
    [InlineData("global=true affinity=remote least=2", "L1", "R1", "L1 R1*", "R1")]
    [InlineData("global=true affinity=local least=0", "L1", "R1", "L1* R1", "L1")]
    [InlineData("global=true affinity=remote", "L1 L2", "R1 R2", "L1 L2 R1* R2*", "R1 R2")]
    [InlineData("global=true affinity=remote", "L1 L2", "", "L1 L2", "L1 L2")]
    [InlineData("global=true affinity=remote", "L1t", "", "L1t", "L1t")]
    [InlineData("global=true affinity=local", "L1t L2n", "", "L1t* L2n*", "L1t")]
    [InlineData("global=true", "L1n", "", "L1n", "")]
    [InlineData("global=true shared=false", "L1", "R1", "L1 R1", "L1 R1")]
    public void Backends_of_both_sides(string annotations, string local, string remote, string listed, string used)
    {
        IReadOnlyList<MergedBackend> merged = ServiceMerge.Merge(
            Settings(annotations), "http", IpProtocol.Tcp, true, Split(local).Select(Local), remote.Length == 0 ? [] : [Remote("east", Split(remote))]);
        Assert.Equal(listed, string.Join(' ', merged.Select(m => Show(m.Backend) + (m.Preferred ? "*" : ""))));
        Assert.Equal(used, string.Join(' ', merged.Where(m => m.Selected).Select(m => Show(m.Backend))));
    }

    [Theory]
    [InlineData("", false, false, ServiceAffinity.None)]
    [InlineData("global=true", true, true, ServiceAffinity.None)]
    [InlineData("global=true shared=false", true, false, ServiceAffinity.None)]
    [InlineData("global=true shared=True", true, true, ServiceAffinity.None)]
    [InlineData("shared=true", false, false, ServiceAffinity.None)]
    [InlineData("global=true affinity=REMOTE", true, true, ServiceAffinity.Remote)]
    public void Annotations(string annotations, bool global, bool shared, ServiceAffinity affinity) =>
        Assert.Equal(new GlobalSettings(global, shared, affinity), Settings(annotations));

    [Fact]
    public void The_older_annotations_mean_the_same() => Assert.Equal(
        new GlobalSettings(true, false, ServiceAffinity.Local),
        GlobalSettings.Of(new Dictionary<string, string> { ["io.cilium/global-service"] = "true", ["io.cilium/shared-service"] = "false", ["io.cilium/service-affinity"] = "local" }));

    [Theory]
    [InlineData("http", "http", true)]
    [InlineData("http", "", true)]
    [InlineData("", "http", true)]
    [InlineData("http", "metrics", false)]
    public void A_port_is_matched_by_name_only_when_both_sides_have_one(string ours, string theirs, bool taken)
    {
        ClusterService east = Remote("east", ["R1"]) with { Backends = [new ServicePort(IpAddress.Parse("10.1.0.1"), theirs, IpProtocol.Tcp, 80)] };
        Assert.Equal(taken, ServiceMerge.Merge(Settings("global=true"), ours, IpProtocol.Tcp, true, [], [east]).Count == 1);
        Assert.Empty(ServiceMerge.Merge(Settings("global=true"), ours, IpProtocol.Udp, true, [], [east]));
        Assert.Empty(ServiceMerge.Merge(Settings("global=true"), ours, IpProtocol.Tcp, false, [], [east]));
    }

    [Fact]
    public void An_address_that_two_clusters_claim_is_the_own_clusters_or_the_firsts()
    {
        List<string> conflicts = [];
        IReadOnlyList<MergedBackend> merged = ServiceMerge.Merge(
            Settings("global=true"), "http", IpProtocol.Tcp, true, [Local("L1")],
            [Remote("east", ["L1", "R1"]), Remote("north", ["R1"])], conflicts);
        Assert.Equal(["", "east"], merged.Select(m => m.Backend.Cluster));
        Assert.Equal(
            ["Conflicting service backend IP 10.0.0.1:80/TCP: east claims what the local cluster has", "Conflicting service backend IP 10.1.0.1:80/TCP: north claims what east has"],
            conflicts);
    }

    [Fact]
    public void A_deployment_runs_as_many_pods_as_it_wants()
    {
        PodObject pod(string name, string ip, string app) => new("default", name) { Ips = [ip], Labels = new Dictionary<string, string> { ["app"] = app }, Ports = [new SlicePortObject("web", "TCP", 8080)] };
        var service = new ServiceObject("default", "webpod")
        {
            Selector = new Dictionary<string, string> { ["app"] = "webpod" },
            Ports = [new ServicePortObject("http", "TCP", 80) { TargetPort = "web" }],
        };
        LocalObjects objects = LocalObjects.Empty with
        {
            Pods = LocalObjects.Empty.Pods.Add("default/webpod-2", pod("webpod-2", "10.0.1.162", "webpod")).Add("default/webpod-1", pod("webpod-1", "10.0.1.14", "webpod"))
                .Add("default/curl", pod("curl", "10.0.1.105", "curl")).Add("other/webpod", pod("w", "10.0.1.7", "webpod") with { Namespace = "other" }),
        };
        string[] at(int? replicas) =>
        [
            .. LocalBackends.Of(service, replicas is null ? objects : objects with
            {
                Deployments = objects.Deployments.Add("default/webpod", new DeploymentObject("default", "webpod") { Replicas = replicas.Value, Selector = service.Selector }),
            }).Select(b => $"{b.Address}:{b.Port}"),
        ];
        Assert.Equal(["10.0.1.14:8080", "10.0.1.162:8080"], at(null));
        Assert.Equal(["10.0.1.14:8080", "10.0.1.162:8080"], at(2));
        Assert.Equal(["10.0.1.14:8080"], at(1));
        Assert.Empty(at(0));
    }

    [Theory]
    [InlineData(true, true, false, BackendState.Active)]
    [InlineData(true, true, true, BackendState.Active)]
    [InlineData(false, true, true, BackendState.Terminating)]
    [InlineData(false, false, true, BackendState.TerminatingNotServing)]
    [InlineData(false, true, false, BackendState.Maintenance)]
    public void States_of_slices(bool ready, bool serving, bool terminating, BackendState state)
    {
        LocalObjects objects = LocalObjects.Empty with
        {
            EndpointSlices = LocalObjects.Empty.EndpointSlices.Add("default/s", new EndpointSliceObject("default", "s")
            {
                Service = "webpod",
                Ports = [new SlicePortObject("http", "TCP", 80)],
                Endpoints = [new SliceEndpointObject(["10.0.0.1"]) { Ready = ready, Serving = serving, Terminating = terminating }],
            }),
        };
        Assert.Equal(state, LocalBackends.Of(new ServiceObject("default", "webpod"), objects).Single().State);
    }

    private static string[] Split(string names) => names.Split(' ', StringSplitOptions.RemoveEmptyEntries);

    private static GlobalSettings Settings(string annotations) =>
        GlobalSettings.Of(Split(annotations).Select(a => a.Split('=')).ToDictionary(a => a[0] == "least" ? GlobalSettings.LeastLocalKey : $"service.cilium.io/{a[0]}", a => a[1]));

    private static IpAddress AddressOf(string name) => IpAddress.Parse($"10.{(name[0] == 'L' ? 0 : 1)}.0.{name[1]}");

    private static ServiceBackend Local(string name) => new(
        AddressOf(name), "http", IpProtocol.Tcp, 80, name[2..] switch { "t" => BackendState.Terminating, "n" => BackendState.TerminatingNotServing, _ => BackendState.Active });

    private static ClusterService Remote(string cluster, string[] names) => new(
        cluster, "default", "webpod", 2, [], [.. names.Select(n => new ServicePort(AddressOf(n), "http", IpProtocol.Tcp, 80))],
        new Dictionary<string, string>(), new Dictionary<string, ServiceZone>(), new Dictionary<string, string>(), new Dictionary<string, string>(), true, true);

    private static string Show(ServiceBackend backend) =>
        $"{(backend.IsLocal ? 'L' : 'R')}{backend.Address.ToString()[^1]}{(backend.State == BackendState.Terminating ? "t" : backend.State == BackendState.TerminatingNotServing ? "n" : "")}";
}
