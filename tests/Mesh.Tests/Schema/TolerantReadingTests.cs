using System.Text;
using ClusterMesh.Datapath.Mesh.Schema;
using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.Mesh.Tests.Schema;

/// <summary>Records of other writers: what is taken as Go takes it, and the sentence for what is not.</summary>
public sealed class TolerantReadingTests
{
    private const string Mask = "\"////AA==\"";
    private static readonly IdentityRange s_west = IdentityRange.Of(1, 255);

    [Fact]
    public void Names_in_any_case_unknown_fields_and_nulls_are_taken()
    {
        Assert.True(MeshNode.TryRead(
            Utf8("""{"name":"n1","CLUSTER":"east","ipaddresses":[{"TYPE":"InternalIP","ip":"172.18.0.2"},null],"ipv4allocCIDR":{"ip":"10.1.0.0","mask":"////AA=="},"clusterid":2,"labels":null,"new":{"a":[1]}}"""),
            out MeshNode? node, out string mistake), mistake);
        Assert.Equal(("n1", "east", 2u, "10.1.0.0/24", "172.18.0.2"), (node!.Name, node.Cluster, node.ClusterId, node.Ipv4AllocCidr.ToString(), node.NodeIp(true).ToString()));
        Assert.Empty(node.Labels);

        Assert.True(ClusterService.TryRead(
            Utf8("""{"Cluster":"east","Namespace":"d","NAME":"s","frontends":null,"backends":{"10.1.0.2":null,"10.1.0.3":{"":{"protocol":"TCP","port":80},"x":{"Protocol":"ICMP"},"y":null}},"labels":null}"""),
            out ClusterService? service, out mistake), mistake);
        Assert.Equal([new ServicePort(IpAddress.Parse("10.1.0.3"), "", IpProtocol.Tcp, 80)], service!.Backends);
        Assert.False(service.Shared);
    }

    [Theory]
    [InlineData("""{"id":2}""", false, 0, null, false)]
    [InlineData("""{"ID":2,"capabilities":{"syncedCanaries":true,"cached":true,"maxConnectedClusters":511,"serviceExportsEnabled":true}}""", true, 511, true, true)]
    [InlineData("""{"id":2,"capabilities":null,"more":1}""", false, 0, null, false)]
    public void A_cluster_configuration_without_capabilities_has_none(string json, bool canaries, int max, bool? exports, bool cached)
    {
        Assert.True(ClusterConfig.TryRead(Utf8(json), out ClusterConfig config, out string mistake), mistake);
        Assert.Equal(new ClusterConfig(2, canaries, max, exports, cached), config);
    }

    [Theory]
    [InlineData(0, 255, 255, "cluster id 0 is not within 1 and 255")]
    [InlineData(300, 511, 255, "cluster id 300 is not within 1 and 255")]
    [InlineData(2, 511, 255, "its maxConnectedClusters is 511, ours is 255; install both clusters with the same")]
    [InlineData(2, 255, 511, "its maxConnectedClusters is 255, ours is 511; install both clusters with the same")]
    [InlineData(2, 0, 511, "its maxConnectedClusters is 0, ours is 511; install both clusters with the same")]
    [InlineData(2, 0, 255, null)]
    [InlineData(300, 511, 511, null)]
    public void A_cluster_configuration_must_fit_the_mesh(uint id, int theirs, int ours, string? refusal) =>
        Assert.Equal(refusal, new ClusterConfig(id, MaxConnectedClusters: theirs).Check(ours));

    [Theory]
    [InlineData("""{"id":"2"}""", "'id' has a value of the wrong shape")]
    [InlineData("""{"id":-1}""", "'id' has a value of the wrong shape")]
    [InlineData("""nothing""", "the value is not valid JSON")]
    [InlineData("""null""", "the value is null")]
    [InlineData("", "the value is not valid JSON")]
    public void A_bad_cluster_configuration_is_said(string json, string sentence) =>
        Assert.Equal((false, sentence), (ClusterConfig.TryRead(Utf8(json), out _, out string mistake), mistake));

    [Theory]
    [InlineData("""{"Cluster":"east"}""", "Name is unset")]
    [InlineData("""{"Name":"n"}""", "Cluster is unset")]
    [InlineData("""{"Name":"n","Cluster":"east","IPv4AllocCIDR":{"IP":"10.1.0.0","Mask":"!!"}}""", "IPv4AllocCIDR: mask '!!' is not base64 of a mask")]
    [InlineData("""{"Name":"n","Cluster":"east","IPv4AllocCIDR":{"IP":"10.1.0.0","Mask":"/wD/AA=="}}""", "IPv4AllocCIDR: mask '/wD/AA==' is no mask for 10.1.0.0")]
    [InlineData("""{"Name":"n","Cluster":"east","IPv4AllocCIDR":{"IP":"10.1.0.0","Mask":"//8="}}""", "IPv4AllocCIDR: mask '//8=' is no mask for 10.1.0.0")]
    [InlineData("""{"Name":"n","Cluster":"east","IPv4AllocCIDR":{"IP":"10.1","Mask":"////AA=="}}""", "IPv4AllocCIDR: '10.1' is no IP address")]
    [InlineData("""{"Name":"n","Cluster":"east","IPv6AllocCIDR":{"IP":"10.1.0.0","Mask":"////AA=="}}""", "IPv6AllocCIDR: 10.1.0.0/24 is of the other family")]
    [InlineData("""{"Name":"n","Cluster":"east","IPAddresses":[{"Type":"InternalIP","IP":"east"}]}""", "IPAddresses: InternalIP 'east' is no IP address")]
    [InlineData("""{"Name":"n","Cluster":"east","Labels":[]}""", "'Labels' has a value of the wrong shape")]
    public void A_bad_node_is_said(string json, string sentence) =>
        Assert.Equal((false, sentence), (MeshNode.TryRead(Utf8(json), out _, out string mistake), mistake));

    [Theory]
    [InlineData("""{"namespace":"d","name":"s"}""", "cluster is unset")]
    [InlineData("""{"cluster":"c","name":"s"}""", "namespace is unset")]
    [InlineData("""{"cluster":"c","namespace":"d"}""", "name is unset")]
    [InlineData("""{"cluster":"c","namespace":"d","name":"s","backends":{"10.1.0.300":{}}}""", "backends: '10.1.0.300' is no IP address")]
    [InlineData("""{"cluster":"c","namespace":"d","name":"s","frontends":{"fe80::1%eth0":{}}}""", "frontends: 'fe80::1%eth0' is no IP address")]
    [InlineData("""{"cluster":"c","namespace":"d","name":"s","backends":{"10.1.0.3":{"":{"Port":70000}}}}""", "'backends['10.1.0.3']..Port' has a value of the wrong shape")]
    public void A_bad_service_is_said(string json, string sentence) =>
        Assert.Equal((false, sentence), (ClusterService.TryRead(Utf8(json), out _, out string mistake), mistake));

    [Fact]
    public void A_service_must_be_what_its_key_says()
    {
        Assert.True(ClusterService.TryRead(Utf8("""{"cluster":"east","namespace":"d","name":"s","clusterID":2,"shared":true}"""), out ClusterService? service, out _));
        Assert.Null(service!.Check("d/s", "east", 2));
        Assert.Equal("cluster is 'east', 'west' was expected", service.Check("d/s", "west", 2));
        Assert.Equal("namespace and name 'd/s' do not match the key 'd/t'", service.Check("d/t", "east", 2));
        Assert.Equal("clusterID is 2, 3 was expected", service.Check("d/s", "east", 3));
    }

    [Theory]
    [InlineData($$"""{"IP":"10.0.0.0","Mask":{{Mask}},"ID":65792}""", "10.0.0.0/24", null)]
    [InlineData("""{"IP":"10.0.0.7","ID":65792}""", "10.0.0.7", null)]
    [InlineData("""{"IP":"10.0.0.7","ID":6}""", "10.0.0.7", null)]
    [InlineData("""{"IP":"10.0.0.7","ID":131072}""", "10.0.0.7", "identity 131072 is not within the cluster's 65536 to 131071")]
    [InlineData("""{"IP":"10.0.0.7","ID":300}""", "10.0.0.7", "identity 300 is not within the cluster's 65536 to 131071")]
    [InlineData("""{"IP":"10.0.0.7","ID":65792}""", "10.0.0.8", "IP '10.0.0.7' does not match the key '10.0.0.8'")]
    public void An_address_must_be_what_its_key_says(string json, string key, string? refusal)
    {
        Assert.True(IpIdentity.TryRead(Utf8(json), out IpIdentity? pair, out string mistake), mistake);
        Assert.Equal(refusal, pair!.Check(key, s_west));
    }

    [Fact]
    public void The_host_of_another_cluster_is_a_remote_node()
    {
        Assert.True(IpIdentity.TryRead(Utf8("""{"IP":"172.18.0.2","HostIP":"172.18.0.2","ID":1}"""), out IpIdentity? pair, out _));
        Assert.Equal(ReservedIdentity.RemoteNode, pair!.AsRemote().Identity);
    }

    [Theory]
    [InlineData("k8s:io.cilium.k8s.policy.cluster=west;", "65792", null)]
    [InlineData("k8s:io.cilium.k8s.policy.cluster=east;", "65792", "label k8s:io.cilium.k8s.policy.cluster is 'east', 'west' was expected")]
    [InlineData("any:io.cilium.k8s.policy.cluster=west;", "65792", "label k8s:io.cilium.k8s.policy.cluster is missing; 'west' was expected")]
    [InlineData("k8s:io.cilium.k8s.policy.cluster=west;", "7", "identity 7 is not within the cluster's 65536 to 131071")]
    [InlineData("k8s:io.cilium.k8s.policy.cluster=west;", "x", "the key 'x' is no identity")]
    public void An_identity_must_be_of_its_cluster(string text, string key, string? refusal)
    {
        Assert.True(IdentityLabels.TryRead(Utf8(text), out IdentityLabels? labels, out _));
        Assert.Equal(refusal, labels!.Check(key, "west", s_west));
    }

    [Theory]
    [InlineData(1, 255, 65536u, 131071u)]
    [InlineData(255, 255, 16711680u, 16777215u)]
    [InlineData(1, 511, 32768u, 65535u)]
    [InlineData(511, 511, 16744448u, 16777215u)]
    [InlineData(0, 255, 256u, 65535u)]
    public void Identities_carry_the_clusters_id(int id, int max, uint first, uint last) => Assert.Equal(new IdentityRange(first, last), IdentityRange.Of(id, max));

    [Theory]
    [InlineData("west", 1, 255, null)]
    [InlineData("a", 511, 511, null)]
    [InlineData("default", 0, 255, null)]
    [InlineData("", 1, 255, "the cluster name is empty; give one")]
    [InlineData("West", 1, 255, "cluster name 'West' is not made of lower-case letters, digits and inner hyphens")]
    [InlineData("west-", 1, 255, "cluster name 'west-' is not made of lower-case letters, digits and inner hyphens")]
    [InlineData("west\n", 1, 255, "cluster name 'west?' is not made of lower-case letters, digits and inner hyphens")]
    [InlineData("abcdefghijklmnopqrstuvwxyz0123456", 1, 255, "cluster name 'abcdefghijklmnopqrstuvwxyz0123456' has 33 characters; at most 32 are allowed")]
    [InlineData("west", 256, 255, "cluster id 256 is not within 1 and 255")]
    [InlineData("west", 1, 300, "maxConnectedClusters is 300; it must be 255 or 511")]
    [InlineData("default", 1, 255, "cluster name 'default' is for a cluster without a mesh; give a name of its own together with id 1")]
    public void Names_and_ids(string name, int id, int max, string? refusal) => Assert.Equal(refusal, ClusterRules.CheckLocal(name, id, max));

    [Fact]
    public void Hostile_values_are_refused_with_a_sentence()
    {
        byte[] large = new byte[10 * 1024 * 1024];
        large.AsSpan().Fill((byte)' ');
        Assert.False(MeshNode.TryRead(large, out _, out string mistake));
        Assert.Equal("the value has 10485760 bytes, more than 1572864", mistake);

        byte[] latin = Utf8("""{"Name":"nX","Cluster":"east"}""");
        latin[10] = 0xFF;
        Assert.False(MeshNode.TryRead(latin, out _, out mistake));
        Assert.Equal("the value is not UTF-8", mistake);

        Assert.False(MeshNode.TryRead(Utf8("""{"Name":"n\ud800","Cluster":"east"}"""), out _, out mistake));
        Assert.NotEmpty(mistake);

        Assert.False(MeshNode.TryRead(Utf8(new string('[', 100_000)), out _, out mistake));
        Assert.NotEmpty(mistake);
        Assert.False(IdentityLabels.TryRead([0xFF, 0xFE], out _, out mistake));
        Assert.Equal("the labels are not UTF-8", mistake);
        Assert.False(IdentityLabels.TryRead(large, out _, out mistake));
        Assert.Equal("the labels have 10485760 bytes, more than 262144", mistake);
    }

    /// <summary>Bytes turned over at random never throw, whatever they make of the record.</summary>
    [Fact]
    public void Damaged_records_never_throw()
    {
        Random random = new(20261123);
        byte[][] originals = [.. File.ReadLines(Path.Combine(AppContext.BaseDirectory, "Golden", "west.txt")).Select(l => Utf8(l.Split(' ', 2)[1]))];
        for (int i = 0; i < 20_000; i++)
        {
            byte[] value = [.. originals[random.Next(originals.Length)]];
            for (int k = random.Next(4); k >= 0; k--)
            {
                value[random.Next(value.Length)] = (byte)random.Next(256);
            }

            ReadOnlySpan<byte> cut = value.AsSpan(0, random.Next(4) == 0 ? random.Next(value.Length) : value.Length);
            bool well = ClusterConfig.TryRead(cut, out _, out string mistake) | MeshNode.TryRead(cut, out _, out _)
                | ClusterService.TryRead(cut, out _, out _) | IpIdentity.TryRead(cut, out _, out _) | IdentityLabels.TryRead(cut, out _, out _);
            Assert.True(well || mistake.Length > 0);
        }
    }

    private static byte[] Utf8(string text) => Encoding.UTF8.GetBytes(text);
}
