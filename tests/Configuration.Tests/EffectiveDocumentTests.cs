using System.Text.Json;
using ClusterMesh.Datapath.Control.Documents;
using ClusterMesh.Datapath.State.Desired;

namespace ClusterMesh.Datapath.Configuration.Tests;

/// <summary>What is in force can be printed as a node file, and read back as the same.</summary>
public sealed class EffectiveDocumentTests
{
    private const string BothFamilies = """
        node: {name: n, cluster: c, labels: {b: '1', a: x}, addresses: [172.18.0.5/16, 'fd18::5/64'], podCIDRs: [10.0.1.0/24, 10.0.2.0/24, 'fd00:1::/64']}
        uplink: {namespace: /proc/self/ns/net, interface: '0x1', mac: '12:34:56:10:11:12', gateways: ['fe80::1'], offloads: off, enableIPv6NDP: true}
        flows: {enableIPv6Masquerade: false}
        masquerade: {enabled: false, masqLinkLocal: true, masqLinkLocalIPv6: true, nonMasqueradeCIDRs: ['::/0', 0.0.0.0/0]}
        loadBalancer: {algorithm: maglev, mode: hybrid, maglevTableSize: 251, maglevHashSeed: AAECAwQFBgcICQoL, externalClusterIP: true, sourceRangeAllTypes: true, serviceTopology: true, serviceLoopbackIPv4: 169.254.9.9}
        tables: {affinityEntries: 2048}
        endpoints: [{name: '1', namespace: 'true', interface: 'null', addresses: ['fd00:1::9'], offloads: 'tso4, checksum'}]
        services: [{name: all, protocol: ANY, annotations: {service.cilium.io/global: 'true', service.cilium.io/affinity: Local, other: ''}, sessionAffinity: ClientIP, sessionAffinityTimeoutSeconds: 9, externalTrafficPolicy: Local, internalTrafficPolicy: Local, loadBalancerSourceRanges: [10.0.0.1/8, '::/0'], trafficDistribution: PreferClose, frontends: [{type: LoadBalancer, address: 192.0.2.1, port: 1}, {type: ExternalIPs, address: 192.0.2.2, port: 1}, {type: HostPort, port: 2}, {type: HostPort, address: 10.0.9.9, port: 3}], backends: [{address: 10.9.0.1, port: 1, state: terminating-not-serving, weight: 7, forZones: [a, b]}]}, {name: yes, protocol: SCTP, frontends: [{type: NodePort, port: 30000}]}, {name: none, headless: true, backends: [{address: 10.9.0.1, port: 1}]}]
        ipcache: [{prefix: 10.9.0.1, identity: 7}, {prefix: 'fd00:9::/48', identity: 131372, tunnelEndpoint: 172.18.0.2, encryptKey: 3, flags: [hastunnel, remotecluster], cluster: east, source: kvstore}]
        policy: {auditMode: true, enforcement: always, allowLocalhost: false, hostFirewall: true, denyResponse: icmp}
        policies: [{name: a, kind: NetworkPolicy, selector: 'k8s:app in (a,b)', defaultDenyIngress: true, rules: [{direction: ingress, peers: [{labels: ''}, {entity: world}, {cidr: 10.0.0.0/8, except: [10.1.0.0/16]}], ports: [{protocol: ANY}, {port: 80, endPort: 90}, {protocol: ICMPv6, port: 128}]}, {direction: egress, deny: true, peers: [], source: 'x.yaml:3'}]}, {name: b, node: true, defaultDenyEgress: true}]
        identities: [{id: 131372, labels: ['k8s:b=', 'k8s:a=1']}]
        """;

    [Theory]
    [InlineData(null)]
    [InlineData("node: {name: a}")]
    [InlineData("node: {name: a, addresses: [172.18.0.5/16]}\nrouting: {mode: tunnel, tunnelPort: 4789, tunnelChecksum: true, tunnelInheritDscp: true, tunnelOffload: false}")]
    [InlineData(BothFamilies)]
    public void Written_and_read_again_gives_the_same(string? text)
    {
        NodeFile first = NodeFile.Parse("first.yaml", text ?? Sample.WestWorker);
        NodeDocument effective = DocumentWriter.Write(first.Local, first.SocketPath, first.Initial);
        string yaml = YamlText.Write(effective);
        NodeFile second = NodeFile.Parse("second.yaml", yaml);

        Assert.Equal(JsonSerializer.Serialize(effective), JsonSerializer.Serialize(second.Document));
        Assert.Equal(Shown(first), Shown(second));
        Assert.Equal(yaml, YamlText.Write(DocumentWriter.Write(second.Local, second.SocketPath, second.Initial)));
    }

    [Fact]
    public void Effective_text_shows_the_settings_of_the_walk_through()
    {
        NodeFile file = Sample.Parse();
        string yaml = YamlText.Write(DocumentWriter.Write(file.Local, file.SocketPath, file.Initial));
        Assert.StartsWith("""
            node:
              name: west-worker
              cluster: west
              clusterId: 1
              addresses:
                - 172.18.0.5/16
              podCIDRs:
                - 10.0.1.0/24
              maxConnectedClusters: 255
              routerAddresses:
                - 10.0.1.1
            socket: /run/cmesh/west-west-worker/control.sock
            host:
              namespace: west-worker

            """, yaml);
        Assert.Contains("""
            routing:
              mode: native
              mtu: 1500
              ipv4NativeRoutingCIDR: 10.0.0.0/16
              autoDirectNodeRoutes: true
            loadBalancer:
              algorithm: random
              mode: snat
              maglevTableSize: 16381
              maglevHashSeed: JLfvgnHc2kaSUFaI
              externalClusterIP: false
              sourceRangeAllTypes: false
              serviceTopology: false
              serviceLoopbackIPv4: 169.254.42.1
            masquerade:
              enabled: true
              nonMasqueradeCIDRs:
                - 10.1.0.0/16
                - 169.254.0.0/16
              masqLinkLocal: false
            """, yaml);
        Assert.Contains("""
              - name: kube-system/kube-dns:dns
                protocol: UDP
                headless: false
                frontends:
                  - type: ClusterIP
                    address: 10.2.0.10
                    port: 53
                backends: []
            """, yaml);
    }

    [Fact]
    public void Text_that_other_readers_would_take_for_something_else_is_quoted()
    {
        string yaml = YamlText.Write(new NodeDocument
        {
            Node = new NodeSection { Name = "0123", Cluster = "true" },
            Socket = "/run/a b # c",
            Uplink = new UplinkSection { Namespace = "a: b", Interface = "eth0", Mac = "12:34:56:10:11:12" },
        });
        Assert.Contains("name: \"0123\"", yaml);
        Assert.Contains("cluster: \"true\"", yaml);
        Assert.Contains("socket: \"/run/a b # c\"", yaml);
        Assert.Contains("namespace: \"a: b\"", yaml);
        Assert.Contains("mac: \"12:34:56:10:11:12\"", yaml);
        Assert.Equal("/run/a b # c", NodeFile.Parse("x.yaml", yaml.Replace("\"a: b\"", "a").Replace("addresses: []", "addresses: [10.0.0.1/24]")).SocketPath);
    }

    /// <summary>All values of the specs but their sources, which name different lines.</summary>
    private static string Shown(NodeFile file) =>
        JsonSerializer.Serialize(file.Local with { Source = "" }) + JsonSerializer.Serialize(file.Initial with
        {
            Endpoints = [.. (file.Initial.Endpoints ?? []).Select(e => e with { Source = "" })],
            Nodes = [.. (file.Initial.Nodes ?? []).Select(n => n with { Source = "" })],
            Routes = [.. (file.Initial.Routes ?? []).Select(r => r with { Source = "" })],
            Services = [.. (file.Initial.Services ?? []).Select(s => s with { Source = "" })],
            Ipcache = [.. (file.Initial.Ipcache ?? []).Select(i => i with { Source = "" })],
            Identities = [.. (file.Initial.Identities ?? []).Select(i => i with { Source = "" })],
            Policies = [.. (file.Initial.Policies ?? []).Select(p => p with { Source = "", Rules = [.. p.Rules.Select(r => r with { Source = "" })] })],
        });
}
