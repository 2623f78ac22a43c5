using System.Text;
using System.Text.Json;
using ClusterMesh.Datapath.Control.Documents;
using ClusterMesh.Datapath.State;
using ClusterMesh.Datapath.State.Desired;

namespace ClusterMesh.Datapath.Configuration.Tests;

/// <summary>Requests over the control socket: the same rules, with JSON paths for places.</summary>
public sealed class RequestTests
{
    private static readonly LocalNodeSpec s_local = Sample.Parse().Local;

    [Fact]
    public void Sources_are_paths()
    {
        DesiredChange change = Translate(new ChangeDocument
        {
            Endpoints = [new EndpointDocument { Name = "a", Namespace = "a", Addresses = ["10.0.1.7"] }],
            Nodes = [new RemoteNodeDocument { Name = "n", Cluster = "east", Addresses = ["172.18.0.9"] }],
        });
        Assert.False(change.Replace);
        Assert.Equal("endpoints[0]", change.Endpoints![0].Source);
        Assert.Equal("nodes[0]", change.Nodes![0].Source);
        Assert.Null(change.Services);
        Assert.Null(change.Masquerade);
    }

    [Fact]
    public void A_node_without_a_cluster_is_of_ours()
    {
        DesiredChange change = Translate(new ChangeDocument { Nodes = [new RemoteNodeDocument { Name = "n", Addresses = ["172.18.0.9"] }] });
        Assert.Equal("west", Assert.Single(change.Nodes!).Cluster);
    }

    [Fact]
    public void Mistakes_name_the_path()
    {
        ServiceDocument right = new() { Name = "a", Frontends = [new FrontendDocument { Address = "10.2.0.1", Port = 80 }] };
        ServiceDocument wrong = right with { Name = "b", Backends = [new BackendDocument { Address = "10.0.1.14", Port = 70000 }] };
        Refused(new ChangeDocument { Services = [right, wrong] }, "services[1].backends[0].port: 70000 is no port; use 1 to 65535");
        Refused(new ChangeDocument { Services = [right, right] }, "services[1].name: 'a' is given already at services[0]; keep one");
    }

    [Fact]
    public void Nulls_that_JSON_can_bring_are_refused_or_are_defaults()
    {
        Refused(new ChangeDocument { Endpoints = [null!] }, "endpoints[0]: the item is empty; give its fields or remove it");
        Refused(new ChangeDocument { Endpoints = [new EndpointDocument { Name = null! }] }, "endpoints[0].name: is missing; give one such as default/curl-pod");
        Refused(new ChangeDocument { Masquerade = new MasqueradeSection { NonMasqueradeCidrs = [null!] } },
            "masquerade.nonMasqueradeCIDRs[0]: is missing; give one such as 10.0.0.0/24");
        Refused(new ChangeDocument { Nodes = [new RemoteNodeDocument { Name = "a", Addresses = null! }] },
            "nodes[0].addresses: a node needs an address; add the one it has on the node network");
        Refused(new ChangeDocument { Services = [new ServiceDocument { Name = "a", Frontends = [null!] }] },
            "services[0].frontends[0]: the item is empty; give its fields or remove it");
        Refused(new ChangeDocument { Services = [new ServiceDocument { Name = "a", Frontends = [new() { Type = "NodePort", Port = 30000 }], Backends = [null!] }] },
            "services[0].backends[0]: the item is empty; give its fields or remove it");
        Refused(new ChangeDocument { Routes = [new RouteDocument { Prefix = "10.9.0.0/16", Via = null! }] },
            "routes[0].via: is missing; give one such as 10.0.0.1");
        Assert.Empty(Translate(new ChangeDocument { Masquerade = new MasqueradeSection { NonMasqueradeCidrs = null!, MasqLinkLocal = true } }).Masquerade!.NonMasqueradeCidrs);
    }

    [Fact]
    public void Ten_thousand_services_of_four_backends_are_read_in_reasonable_memory()
    {
        // The comment makes it YAML, which has its own way into a document.
        string json = ManyServices(10_000);
        string yaml = "# many\n" + json;
        ChangeFile.Parse("warm.json", ManyServices(10));
        ChangeFile.Parse("warm.yaml", "# few\n" + ManyServices(10));
        long start = GC.GetAllocatedBytesForCurrentThread();
        ChangeFile.Parse("many.json", json);
        long before = GC.GetAllocatedBytesForCurrentThread();
        ChangeFile file = ChangeFile.Parse("many.yaml", yaml);
        long read = GC.GetAllocatedBytesForCurrentThread();
        DesiredChange change = ChangeTranslator.Translate(file.Document, replace: true, s_local, file.Origin);
        long translated = GC.GetAllocatedBytesForCurrentThread();

        Assert.Equal(10_000, change.Services!.Count);
        Assert.Equal(4, change.Services[9_999].Backends.Count);
        Assert.Equal("many.yaml:10002", change.Services[9_999].Source);

        // All that is allocated on the way, garbage included: about what it takes now, with room for other versions of the library.
        TestContext.Current.SendDiagnosticMessage($"text {json.Length:N0}, JSON {before - start:N0}, YAML {read - before:N0}, translated {translated - read:N0} bytes");
        Assert.True(before - start < 50_000_000, $"reading JSON allocated {before - start:N0} bytes for {json.Length:N0} characters");
        Assert.True(read - before < 500_000_000, $"reading allocated {read - before:N0} bytes for {json.Length:N0} characters");
        Assert.True(translated - read < 100_000_000, $"translating allocated {translated - read:N0} bytes");
    }

    [Fact]
    public void The_same_without_line_breaks_is_read_in_linear_time()
    {
        string json = ManyServices(10_000).Replace("\n", "", StringComparison.Ordinal);
        Assert.Equal(10_000, ChangeFile.Parse("many.json", json).Document.Services!.Count);
    }

    private static string ManyServices(int count)
    {
        StringBuilder json = new("{\"services\":[\n");
        for (int i = 0; i < count; i++)
        {
            string backends = string.Join(',', Enumerable.Range(1, 4).Select(b => $$"""{"address":"10.1.{{b}}.{{(i % 250) + 1}}","port":8080,"cluster":"east"}"""));
            json.Append($$"""{"name":"default/s{{i}}","frontends":[{"address":"10.2.{{i / 200}}.{{(i % 200) + 1}}","port":80}],"backends":[{{backends}}]}""");
            json.Append(i + 1 < count ? ",\n" : "\n");
        }

        return json.Append("]}").ToString();
    }

    private static DesiredChange Translate(ChangeDocument change) => ChangeTranslator.Translate(change, replace: false, s_local, DocumentOrigin.Request);

    private static void Refused(ChangeDocument change, string sentence) =>
        Assert.Equal(sentence, Assert.Throws<ConfigurationException>(() => Translate(change)).Message);
}
