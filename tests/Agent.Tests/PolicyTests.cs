using System.Text.Json;
using ClusterMesh.Datapath.Control;
using ClusterMesh.Datapath.Control.Documents;
using ClusterMesh.Datapath.Mesh.Identities;
using ClusterMesh.Datapath.Mesh.Objects;
using ClusterMesh.Datapath.Mesh.Remote;
using ClusterMesh.Datapath.State;

namespace ClusterMesh.Datapath.Agent.Tests;

/// <summary>Network policies as people have them, what the forwarder is told of them, and the sentence for each mistake.</summary>
public sealed class PolicyTests
{
    [Fact]
    public void A_network_policy_of_kubernetes() => Same(
        """
        netpol/shop/web for k8s:app=web,k8s:io.kubernetes.pod.namespace=shop, closed ingress egress
        ingress allow labels k8s:app=curl,k8s:io.kubernetes.pod.namespace=shop | labels k8s:io.kubernetes.pod.namespace=other | labels k8s:tier in (a,b),k8s:io.cilium.k8s.namespace.labels.team=x | labels k8s:io.kubernetes.pod.namespace | cidr 10.0.0.0/8 except 10.1.0.0/16: 80/TCP 8080-8090/TCP */UDP
        ingress allow everybody: all
        egress allow everybody: 53/UDP
        """,
        """
        apiVersion: networking.k8s.io/v1
        kind: NetworkPolicy
        metadata: {name: web, namespace: shop}
        spec:
          podSelector: {matchLabels: {app: web}}
          policyTypes: [Ingress, Egress]
          ingress:
          - from:
            - podSelector: {matchLabels: {app: curl}}
            - namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: other}}
            - podSelector: {matchExpressions: [{key: tier, operator: In, values: [a, b]}]}
              namespaceSelector: {matchLabels: {team: x}}
            - namespaceSelector: {}
            - ipBlock: {cidr: 10.0.0.0/8, except: [10.1.0.0/16]}
            ports: [{port: 80}, {port: 8080, endPort: 8090}, {protocol: UDP}]
          - {}
          egress:
          - ports: [{port: 53, protocol: UDP}]
        """);

    [Fact]
    public void A_policy_of_cilium() => Same(
        """
        cnp/default/web for any:app=web,k8s:io.kubernetes.pod.namespace=default, closed ingress
        ingress allow labels any:app=curl,k8s:io.cilium.k8s.policy.cluster=west,k8s:io.kubernetes.pod.namespace=default: 80/ANY 443/TCP
        ingress allow entity world | entity remote-node: all
        ingress allow nobody: all
        ingress allow everybody: 8/ICMP 128/ICMPv6
        egress allow cidr 203.0.113.0/24 | cidr 192.0.2.1/32 | cidr 198.51.100.0/24 except 198.51.100.7/32: all
        egress allow labels k8s:app=db,k8s:io.kubernetes.pod.namespace=data | cidr 192.0.2.9/32: all
        ingress deny entity host: 22/TCP
        """,
        """
        apiVersion: cilium.io/v2
        kind: CiliumNetworkPolicy
        metadata: {name: web}
        spec:
          endpointSelector: {matchLabels: {app: web}}
          enableDefaultDeny: {egress: false}
          ingress:
          - fromEndpoints: [{matchLabels: {app: curl, "k8s:io.cilium.k8s.policy.cluster": west}}]
            toPorts: [{ports: [{port: "80"}, {port: "443", protocol: TCP}]}]
          - fromEntities: [world, remote-node]
          - {}
          - icmps: [{fields: [{type: 8}, {type: EchoRequest, family: IPv6}]}]
          egress:
          - toCIDR: [203.0.113.0/24, 192.0.2.1]
            toCIDRSet: [{cidr: 198.51.100.0/24, except: [198.51.100.7/32]}]
          - toServices: [{k8sService: {serviceName: db, namespace: data}}, {k8sService: {serviceName: external}}]
          ingressDeny:
          - fromEntities: [host]
            toPorts: [{ports: [{port: "22", protocol: TCP}]}]
        ---
        kind: Service
        metadata: {name: db, namespace: data}
        spec: {clusterIP: 10.2.0.9, selector: {app: db}, ports: [{port: 5432}]}
        ---
        kind: Service
        metadata: {name: external}
        spec: {clusterIP: 10.2.0.10, ports: [{port: 80}]}
        ---
        kind: EndpointSlice
        metadata: {name: external-1, labels: {kubernetes.io/service-name: external}}
        addressType: IPv4
        ports: [{port: 80}]
        endpoints: [{addresses: [192.0.2.9]}]
        """);

    [Fact]
    public void A_clusterwide_policy_of_several_parts() => Same(
        """
        ccnp/base:1 for k8s:io.kubernetes.pod.namespace, closed egress
        egress allow entity cluster: all
        ccnp/base:2 for node any:role=worker, closed ingress
        ingress allow labels k8s:io.kubernetes.pod.namespace: 10250/TCP
        """,
        """
        apiVersion: cilium.io/v2
        kind: CiliumClusterwideNetworkPolicy
        metadata: {name: base}
        specs:
        - endpointSelector: {}
          egress: [{toEntities: [cluster]}]
        - nodeSelector: {matchLabels: {role: worker}}
          ingress: [{fromEndpoints: [{}], toPorts: [{ports: [{port: "10250", protocol: TCP}]}]}]
        """);

    [Fact]
    public void A_named_port_is_what_the_pods_say() => Same(
        """
        netpol/default/web for k8s:app=web,k8s:io.kubernetes.pod.namespace=default, closed ingress
        ingress allow everybody: 8080/TCP
        netpol/default/x for k8s:io.kubernetes.pod.namespace=default, closed ingress egress
        egress allow everybody: 8080/TCP 9090/TCP
        """,
        """
        kind: NetworkPolicy
        metadata: {name: web}
        spec: {podSelector: {matchLabels: {app: web}}, ingress: [{ports: [{port: http}]}]}
        ---
        kind: NetworkPolicy
        metadata: {name: x}
        spec: {podSelector: {}, egress: [{ports: [{port: http}]}]}
        ---
        kind: Pod
        metadata: {name: web, labels: {app: web}}
        spec: {containers: [{name: c, ports: [{name: http, containerPort: 8080}]}]}
        ---
        kind: Pod
        metadata: {name: other, labels: {app: other}}
        spec: {containers: [{name: c, ports: [{name: http, containerPort: 9090}]}]}
        """);

    [Fact]
    public void By_option_a_selector_means_the_own_cluster() => Same(
        """
        cnp/default/a for k8s:io.kubernetes.pod.namespace=default, closed ingress
        ingress allow labels any:app=x,k8s:io.kubernetes.pod.namespace=default,k8s:io.cilium.k8s.policy.cluster=west | labels any:io.cilium.k8s.policy.cluster=east,k8s:io.kubernetes.pod.namespace=default: all
        """,
        """
        kind: CiliumNetworkPolicy
        metadata: {name: a}
        spec: {endpointSelector: {}, ingress: [{fromEndpoints: [{matchLabels: {app: x}}, {matchLabels: {io.cilium.k8s.policy.cluster: east}}]}]}
        """, isLocalByDefault: true);

    [Theory]
    [InlineData("podSelector: {}\n  ingres: []", "f.yaml:5: spec.ingres: unknown field; did you mean 'ingress'?")]
    [InlineData("podSelector: {}\n  policyTypes: [Both]", "f.yaml:5: spec.policyTypes[0]: 'Both' is not one of Ingress, Egress")]
    [InlineData("podSelector: {}\n  ingress:\n  - from:\n    - {}", "f.yaml:7: spec.ingress[0].from[0]: a peer needs 'podSelector', 'namespaceSelector' or 'ipBlock'")]
    [InlineData("podSelector: {}\n  ingress:\n  - from:\n    - ipBlock: {cidr: 10.0.0.0}", "f.yaml:7: spec.ingress[0].from[0].ipBlock.cidr: '10.0.0.0' is no CIDR")]
    [InlineData("podSelector: {}\n  ingress:\n  - from:\n    - ipBlock: {cidr: 10.0.0.0/8, except: [11.0.0.0/8]}", "f.yaml:7: spec.ingress[0].from[0].ipBlock.except[0]: 11.0.0.0/8 is no part of 10.0.0.0/8")]
    [InlineData("podSelector: {}\n  ingress:\n  - ports: [{port: 80, endPort: 79}]", "f.yaml:6: spec.ingress[0].ports[0].endPort: '79' is no number within 80 and 65535")]
    [InlineData("podSelector: {matchExpressions: [{key: a, operator: In}]}", "f.yaml:4: spec.podSelector.matchExpressions[0]: In needs values")]
    [InlineData("podSelector: {matchLabels: {a: 'x y'}}", "f.yaml:4: spec.podSelector: a key or value is none that a label can have")]
    public void A_mistake_in_a_network_policy_has_file_line_and_field(string spec, string sentence) => Refused("NetworkPolicy", spec, sentence);

    [Theory]
    [InlineData("ingress: []", "f.yaml:3: spec: give 'endpointSelector' or 'nodeSelector', one of the two")]
    [InlineData("nodeSelector: {}", "f.yaml:4: spec.nodeSelector: only a CiliumClusterwideNetworkPolicy selects nodes")]
    [InlineData("endpointSelector: {}\n  egress:\n  - toFQDNs: [{matchName: a.b}]", "f.yaml:6: spec.egress[0].toFQDNs: this datapath has no proxy, so it is refused rather than left out")]
    [InlineData("endpointSelector: {}\n  egress:\n  - toPorts:\n    - rules: {http: [{}]}", "f.yaml:7: spec.egress[0].toPorts[0].rules: this datapath has no proxy, so it is refused rather than left out")]
    [InlineData("endpointSelector: {}\n  ingress:\n  - fromEntities: [moon]", "f.yaml:6: spec.ingress[0].fromEntities[0]: 'moon' is not one of all, world, world-ipv4, world-ipv6, cluster, host, remote-node, kube-apiserver, health, init, ingress, unmanaged, none")]
    [InlineData("endpointSelector: {}\n  ingress:\n  - fromEntities: [world]\n    fromEndpoints: [{}]", "f.yaml:6: spec.ingress[0]: 'fromEndpoints' and 'fromEntities' do not go together; give each a rule of its own")]
    [InlineData("endpointSelector: {}\n  ingress:\n  - icmps: [{fields: [{type: 300}]}]", "f.yaml:6: spec.ingress[0].icmps[0].fields[0].type: '300' is no number within 0 and 255")]
    [InlineData("endpointSelector: {}\n  ingress:\n  - icmps: [{fields: [{type: PacketTooBig}]}]", "f.yaml:6: spec.ingress[0].icmps[0].fields[0].type: 'PacketTooBig' is no ICMP type of IPv4; write its number or its name, such as EchoRequest")]
    [InlineData("endpointSelector: {}\n  ingress:\n  - toPorts: [{ports: [{port: 'Http!'}]}]", "f.yaml:6: spec.ingress[0].toPorts[0].ports[0].port: 'Http!' is neither a port nor the name of one")]
    public void A_mistake_in_a_policy_of_cilium_has_file_line_and_field(string spec, string sentence) => Refused("CiliumNetworkPolicy", spec, sentence);

    private static void Refused(string kind, string spec, string sentence) => Assert.Equal(
        sentence, Assert.Throws<ConfigurationException>(() => ManifestReader.Read("f.yaml", $"kind: {kind}\nmetadata: {{name: a}}\nspec:\n  {spec}\n")).Message);

    /// <summary>Read, stored, read from the store, told: and every document is one that the forwarder takes.</summary>
    private static void Same(string wanted, string manifest, bool isLocalByDefault = false)
    {
        LocalObjects objects = LocalObjects.Empty;
        foreach (object made in ManifestReader.Read("f.yaml", manifest))
        {
            Mesh.Store.StoreWrite write = LocalObjects.Write(made);
            objects = objects.With([new Mesh.Store.StoreChange(write.Key[ObjectKeys.Prefix.Length..], write.Value, 1)], []);
        }

        List<PolicyDocument> documents = new PolicyDocuments("west", isLocalByDefault, objects, MeshView.Empty, pod => PodLabels.Of(pod, "west", objects)).Make();
        string json = JsonSerializer.Serialize(new ChangeDocument { Policies = documents }, ControlJson.Default.ChangeDocument);
        Configuration.NodeFile.Parse("node.json", json.Replace("{\"policies\"", "{\"node\":{\"name\":\"n\"},\"policies\"", StringComparison.Ordinal));
        string[] got = [.. documents.SelectMany(d => d.Rules.Select(r => Rule(r)).Prepend(
            $"{d.Name} for {(d.Node ? "node " : "")}{d.Selector}, closed{(d.DefaultDenyIngress ? " ingress" : "")}{(d.DefaultDenyEgress ? " egress" : "")}"))];
        Assert.Equal(wanted.Split('\n'), got);
    }

    private static string Rule(PolicyRuleDocument rule)
    {
        string[] peers = [.. (rule.Peers ?? []).Select(p => p.Labels is not null ? $"labels {p.Labels}" : p.Entity is not null ? $"entity {p.Entity}"
            : $"cidr {p.Cidr}{(p.Except is null ? "" : $" except {string.Join(' ', p.Except)}")}")];
        string who = rule.Peers is null ? "everybody" : peers.Length == 0 ? "nobody" : string.Join(" | ", peers);
        string ports = rule.Ports is null ? "all" : string.Join(' ', rule.Ports.Select(p => $"{(p.Port is int port ? $"{port}" : "*")}{(p.EndPort is int end ? $"-{end}" : "")}/{p.Protocol}"));
        return $"{rule.Direction} {(rule.Deny ? "deny" : "allow")} {who}: {ports}";
    }
}
