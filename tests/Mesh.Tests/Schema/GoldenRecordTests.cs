using System.Text;
using ClusterMesh.Datapath.Mesh.Schema;
using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.Mesh.Tests.Schema;

/// <summary>Records byte for byte as Cilium writes them: the golden file holds keys and values of its own examples.</summary>
public sealed class GoldenRecordTests
{
    private static readonly Dictionary<string, string> s_golden = File.ReadLines(Path.Combine(AppContext.BaseDirectory, "Golden", "west.txt"))
        .Select(line => line.Split(' ', 2)).ToDictionary(parts => parts[0], parts => parts[1]);

    public static TheoryData<string> Keys => [.. s_golden.Keys];

    [Theory]
    [MemberData(nameof(Keys))]
    public void What_is_read_is_written_again_with_the_same_bytes(string key)
    {
        byte[] value = Encoding.UTF8.GetBytes(s_golden[key]);
        string mistake;
        byte[] written;
        string? refusal;
        string end(string prefix) => key[prefix.Length..];
        IdentityRange range = IdentityRange.Of(1, 255);
        switch (key.Split('/'))
        {
            case ["cilium", "cluster-config", ..]:
                Assert.True(ClusterConfig.TryRead(value, out ClusterConfig config, out mistake), mistake);
                (written, refusal) = (config.Write(), config.Check(255));
                break;
            case ["cilium", "state", "nodes", ..]:
                Assert.True(MeshNode.TryRead(value, out MeshNode? node, out mistake), mistake);
                (written, refusal) = (node!.Write(), node.Check(end(MeshKeys.Prefix("west", MeshRecordKind.Node, false)), "west", 1));
                break;
            case ["cilium", "state", "services", ..]:
                Assert.True(ClusterService.TryRead(value, out ClusterService? service, out mistake), mistake);
                (written, refusal) = (service!.Write(), service.Check(end(MeshKeys.Prefix("west", MeshRecordKind.Service, false)), "west", 1));
                break;
            case ["cilium", "state", "ip", ..]:
                Assert.True(IpIdentity.TryRead(value, out IpIdentity? pair, out mistake), mistake);
                (written, refusal) = (pair!.Write(), pair.Check(end(MeshKeys.Prefix("west", MeshRecordKind.Ip, false)), range));
                break;
            default:
                Assert.True(IdentityLabels.TryRead(value, out IdentityLabels? labels, out mistake), mistake);
                (written, refusal) = (labels!.Write(), labels.Check(end(MeshKeys.Prefix("west", MeshRecordKind.Identity, false)), "west", range));
                break;
        }

        Assert.Equal(s_golden[key], Encoding.UTF8.GetString(written));
        Assert.Null(refusal);
    }

    [Fact]
    public void A_service_that_is_made_here_has_the_golden_bytes()
    {
        ServicePort port(string address) => new(IpAddress.Parse(address), "port-0", IpProtocol.Tcp, 80);
        var service = new ClusterService(
            "west", "default", "webpod", 1, [port("10.2.33.10")], [port("10.0.1.162"), port("10.0.1.14")],
            new Dictionary<string, string> { ["10.0.1.14"] = "webpod-0" }, new Dictionary<string, ServiceZone> { ["10.0.1.14"] = new("a", ["a"]) },
            new Dictionary<string, string>(), new Dictionary<string, string> { ["app"] = "webpod" }, true, true);
        Assert.Equal(s_golden[MeshKeys.Service("west", "default", "webpod")], Encoding.UTF8.GetString(service.Write()));
    }

    [Fact]
    public void Labels_are_sorted_and_each_ends_in_a_semicolon() => Assert.Equal(
        s_golden[MeshKeys.Identity(68211)],
        IdentityLabels.OfKubernetes(new Dictionary<string, string>
        {
            ["io.kubernetes.pod.namespace"] = "default",
            ["app"] = "webpod",
            ["io.cilium.k8s.policy.serviceaccount"] = "default",
            ["io.cilium.k8s.policy.cluster"] = "west",
        }).Text);

    [Theory]
    [InlineData(MeshRecordKind.Node, false, "cilium/state/nodes/v1/east/", "cilium/synced/east/cilium/state/nodes/v1")]
    [InlineData(MeshRecordKind.Service, false, "cilium/state/services/v1/east/", "cilium/synced/east/cilium/state/services/v1")]
    [InlineData(MeshRecordKind.Ip, false, "cilium/state/ip/v1/default/", "cilium/synced/east/cilium/state/ip/v1")]
    [InlineData(MeshRecordKind.Identity, false, "cilium/state/identities/v1/id/", "cilium/synced/east/cilium/state/identities/v1")]
    [InlineData(MeshRecordKind.ServiceExport, false, "cilium/state/serviceexports/v1/east/", "cilium/synced/east/cilium/state/serviceexports/v1")]
    [InlineData(MeshRecordKind.Node, true, "cilium/cache/nodes/v1/east/", "cilium/synced/east/cilium/cache/nodes/v1")]
    [InlineData(MeshRecordKind.Ip, true, "cilium/cache/ip/v1/east/", "cilium/synced/east/cilium/cache/ip/v1")]
    [InlineData(MeshRecordKind.Identity, true, "cilium/cache/identities/v1/east/id/", "cilium/synced/east/cilium/cache/identities/v1")]
    public void Prefixes_and_canaries(MeshRecordKind kind, bool cached, string prefix, string canary)
    {
        Assert.Equal(prefix, MeshKeys.Prefix("east", kind, cached));
        Assert.Equal(canary, MeshKeys.Canary("east", kind, cached));
    }

    [Fact]
    public void Text_is_escaped_as_Go_escapes_it()
    {
        MeshNode node = new("n", "c", 1) { Annotations = new Dictionary<string, string> { ["é<"] = "a&b>\"\\\n\u2028\u0001", ["b"] = "" } };
        Assert.Contains("\"Annotations\":{\"b\":\"\",\"é\\u003c\":\"a\\u0026b\\u003e\\\"\\\\\\n\\u2028\\u0001\"}", Encoding.UTF8.GetString(node.Write()));
    }
}
