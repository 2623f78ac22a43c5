using ClusterMesh.Datapath.Mesh.Objects;
using ClusterMesh.Datapath.State;

namespace ClusterMesh.Datapath.Agent.Tests;

/// <summary>Kubernetes manifests as people have them, and the sentence for each mistake.</summary>
public sealed class ManifestTests
{
    private const string Webpod = """
        ---
        apiVersion: apps/v1
        kind: Deployment
        metadata: {name: webpod}
        spec:
          replicas: 2
          selector: {matchLabels: {app: webpod}}
          template:
            metadata: {labels: {app: webpod}}
            spec:
              containers: [{name: webpod, image: traefik/whoami}]
        ---
        apiVersion: v1
        kind: Service
        metadata:
          name: webpod
          annotations:
            service.cilium.io/global: "true"
        spec:
          clusterIP: 10.2.164.148
          selector: {app: webpod}
          ports:
          - protocol: TCP
            port: 80
            targetPort: 80
          type: ClusterIP
        ---
        """;

    [Fact]
    public void The_walk_throughs_manifest_is_taken()
    {
        IReadOnlyList<object> objects = ManifestReader.Read("webpod.yaml", Webpod);
        DeploymentObject deployment = Assert.IsType<DeploymentObject>(objects[0]);
        Assert.Equal(("default/webpod", 2, "webpod"), (deployment.Key, deployment.Replicas, deployment.Selector["app"]));
        ServiceObject service = Assert.IsType<ServiceObject>(objects[1]);
        Assert.Equal(("default/webpod", "10.2.164.148", "true"), (service.Key, service.ClusterIps.Single(), service.Annotations["service.cilium.io/global"]));
        Assert.Equal((80, "80", "TCP"), (service.Ports[0].Port, service.Ports[0].TargetPort, service.Ports[0].Protocol));
    }

    [Fact]
    public void Every_kind_is_read()
    {
        IReadOnlyList<object> objects = ManifestReader.Read("all.yaml", """
            kind: List
            items:
            - kind: Pod
              metadata: {name: curl-pod, namespace: apps, labels: {app: curl}, uid: x}
              spec:
                nodeName: west-worker
                serviceAccountName: curl
                containers: [{name: c, ports: [{name: http, containerPort: 80}]}]
              status: {podIP: 10.0.1.105, podIPs: [{ip: 10.0.1.105}, {ip: "fd00::5"}], conditions: [{type: Ready, status: "False"}]}
            - kind: EndpointSlice
              metadata: {name: webpod-1, labels: {kubernetes.io/service-name: webpod}}
              addressType: IPv4
              ports: [{name: http, port: 80}]
              endpoints: [{addresses: [10.0.1.14], conditions: {ready: false, serving: true, terminating: true}, nodeName: n, hints: {forZones: [{name: a}]}}]
            - kind: Node
              metadata: {name: west-worker}
              spec: {podCIDR: 10.0.1.0/24, podCIDRs: [10.0.1.0/24, "fd00:1::/64"]}
              status: {addresses: [{type: InternalIP, address: 172.18.0.5}]}
            - kind: ConfigMap
              metadata: {name: ip-masq-agent, namespace: kube-system}
              data: {config: "nonMasqueradeCIDRs: [10.1.0.0/16]"}
            - kind: Service
              metadata: {name: headless}
              spec: {clusterIP: None}
            """);
        PodObject pod = (PodObject)objects[0];
        Assert.Equal(("apps/curl-pod", "curl", false, 2, 80), (pod.Key, pod.ServiceAccount, pod.Ready, pod.Ips.Count, pod.Ports[0].Port));
        SliceEndpointObject endpoint = ((EndpointSliceObject)objects[1]).Endpoints[0];
        Assert.Equal((false, true, true, "a"), (endpoint.Ready, endpoint.Serving, endpoint.Terminating, endpoint.ForZones[0]));
        Assert.Equal(2, ((NodeObject)objects[2]).PodCidrs.Count);
        Assert.Equal("nonMasqueradeCIDRs: [10.1.0.0/16]", ((ConfigMapObject)objects[3]).Data["config"]);
        Assert.Empty(((ServiceObject)objects[4]).ClusterIps);
    }

    [Theory]
    [InlineData("kind: Service\nmetadata: {name: a}\nspec:\n  prots: []\n", "f.yaml:4: spec.prots: unknown field; did you mean 'ports'?")]
    [InlineData("kind: Service\nmetadata: {name: a}\nspec:\n  clusterIP: 10.2.0\n", "f.yaml:4: spec.clusterIP: '10.2.0' is no IP address")]
    [InlineData("kind: Service\nmetadata: {name: a}\nspec:\n  ports:\n  - port: 80\n  - port: 70000\n", "f.yaml:6: spec.ports[1].port: '70000' is no number within 1 and 65535")]
    [InlineData("kind: Service\nmetadata: {name: a}\nspec:\n  ports:\n  - port: 80\n  - port: 81\n", "f.yaml:4: spec.ports: several ports need a name each")]
    [InlineData("kind: Service\nmetadata: {name: a}\nspec:\n  ports:\n  - port: 80\n    protocol: ICMP\n", "f.yaml:6: spec.ports[0].protocol: 'ICMP' is not one of TCP, UDP, SCTP")]
    [InlineData("kind: Service\nmetadata: {name: A}\n", "f.yaml:2: metadata.name: 'A' is no name; lower-case letters, digits, '-' and '.' are allowed, at most 253")]
    [InlineData("kind: Secret\nmetadata: {name: a}\n", "f.yaml:1: kind: 'Secret' is not taken here; Service, EndpointSlice, Pod, Deployment, Node, ConfigMap, Namespace, NetworkPolicy, CiliumNetworkPolicy, CiliumClusterwideNetworkPolicy and List are")]
    [InlineData("metadata: {name: a}\n", "f.yaml:1: 'kind' is missing")]
    [InlineData("kind: Deployment\nmetadata: {name: a}\nspec: {replicas: -1}\n", "f.yaml:3: spec.replicas: '-1' is no number within 0 and 100000")]
    [InlineData("kind: EndpointSlice\nmetadata: {name: a}\n", "f.yaml:2: metadata: label kubernetes.io/service-name is missing; it names the service")]
    [InlineData("kind: Service\nkind: Service\n", "f.yaml:2: kind: the field is given twice")]
    [InlineData("a\n", "f.yaml:1: a mapping of fields is expected here")]
    [InlineData("---\n---\n", "f.yaml: there is no object in it")]
    public void A_mistake_has_file_line_and_field(string text, string sentence) =>
        Assert.Equal(sentence, Assert.Throws<ConfigurationException>(() => ManifestReader.Read("f.yaml", text)).Message);

    [Theory]
    [InlineData("cluster: {name: west, id: 1}\nnode: {name: n, addresses: [172.18.0.5]}\n", null)]
    [InlineData("cluster: {name: west, id: 300}\nnode: {name: n, addresses: [172.18.0.5]}\n", "a.yaml:1: cluster: cluster id 300 is not within 1 and 255")]
    [InlineData("cluster: {name: west, id: 300, maxConnectedClusters: 511}\nnode: {name: n, addresses: [172.18.0.5]}\n", null)]
    [InlineData("cluster: {name: default, id: 1}\nnode: {name: n, addresses: [172.18.0.5]}\n", "a.yaml:1: cluster: cluster name 'default' is for a cluster without a mesh; give a name of its own together with id 1")]
    [InlineData("cluster: {name: west, id: 1}\nnode: {name: n, addresses: [172.18]}\n", "a.yaml:2: node.addresses[0]: '172.18' is no IP address")]
    [InlineData("cluster: {name: west, id: 1}\nnode: {name: n, addresses: []}\nstore: {etcd: a, directory: b}\n", "a.yaml:3: store: give 'directory' for a store of this node alone or 'etcd' for one of the cluster, not both")]
    [InlineData("cluster: {name: west, id: 1, routingMode: vxlan}\nnode: {name: n, addresses: [172.18.0.5]}\n", "a.yaml:1: cluster.routingMode: 'vxlan' is no routing mode; use native or tunnel")]
    [InlineData("clu\tster: {}\n", "a.yaml:1: clu?ster: unknown field; did you mean 'cluster'?")]
    [InlineData("clutser: {}\n", "a.yaml:1: clutser: unknown field; did you mean 'cluster'?")]
    public void The_agents_file(string text, string? sentence)
    {
        if (sentence is null)
        {
            AgentSettings settings = AgentSettings.Parse("a.yaml", text);
            Assert.Equal("/var/lib/cmesh/west-n", settings.StoreDirectory);
            return;
        }

        Assert.Equal(sentence, Assert.Throws<ConfigurationException>(() => AgentSettings.Parse("a.yaml", text)).Message);
    }
}
