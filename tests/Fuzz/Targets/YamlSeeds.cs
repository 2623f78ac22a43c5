namespace ClusterMesh.Datapath.Fuzz.Targets;

/// <summary>Small texts that touch what the files of the tree do not.</summary>
internal static class YamlSeeds
{
    public static (char Kind, string Text)[] All { get; } =
    [
        ('n', """
            node: {name: w, cluster: west, clusterId: 3, addresses: [172.18.0.5/16, "fd00::5/64"], podCIDRs: [10.0.1.0/24, "fd00:1::/64"], labels: {a: b}}
            routing: {mode: tunnel, tunnelProtocol: vxlan, tunnelPort: 8472, mtu: 1500}
            loadBalancer: {algorithm: maglev, maglevTableSize: 251, mode: dsr}
            tables: {conntrackEntries: 1024, snatEntries: 1024}
            flows: {fragments: hold}
            policy: {enforcement: always}
            """),
        ('c', """
            services:
            - &s {name: a/b, protocol: UDP, frontends: [{type: LoadBalancer, address: 192.0.2.1, port: 53}], backends: [&b {address: 10.0.0.1, port: 53}, *b]}
            identities: [{id: 65900, labels: ["k8s:app=web"]}]
            ipcache: [{prefix: 10.1.1.2/32, identity: 65900}]
            """),
        ('c', """{"services":[{"name":"default/w","protocol":"TCP","frontends":[{"address":"10.2.0.1","port":80}],"backends":[]}],"masquerade":{"enabled":false}}"""),
        ('a', """
            cluster: {name: west, id: 1, maxConnectedClusters: 255}
            node: {name: w, addresses: [172.18.0.5], routerAddresses: [10.0.1.1], podCIDRs: [10.0.1.0/24], labels: {zone: a}, healthAddress: 10.0.1.9}
            store: {directory: /tmp/x}
            remote: {directory: /tmp/y, kvstoremesh: false, cacheTTLSeconds: 5, hostAliases: {east: 172.18.0.2}}
            clustermesh: {pki: /tmp/p, endpoint: "172.18.0.4:32379", leaseSeconds: 30}
            forwarder: {socket: /tmp/s, drainSeconds: 1}
            health: {port: 4240, intervalSeconds: 10}
            policy: {defaultLocalCluster: true}
            """),
        ('m', """
            apiVersion: networking.k8s.io/v1
            kind: NetworkPolicy
            metadata: {name: p, namespace: default}
            spec:
              podSelector: {matchLabels: {app: web}, matchExpressions: [{key: t, operator: In, values: [a, b]}]}
              policyTypes: [Ingress, Egress]
              ingress: [{from: [{namespaceSelector: {}, podSelector: {matchLabels: {x: y}}}, {ipBlock: {cidr: 10.0.0.0/8, except: [10.1.0.0/16]}}], ports: [{protocol: TCP, port: 80, endPort: 90}]}]
              egress: [{to: [], ports: [{port: dns, protocol: UDP}]}]
            """),
        ('m', """
            apiVersion: cilium.io/v2
            kind: CiliumNetworkPolicy
            metadata: {name: c}
            spec:
              endpointSelector: {matchLabels: {"k8s:app": web}}
              ingress: [{fromEntities: [world, remote-node], toPorts: [{ports: [{port: "80", protocol: ANY}]}]}, {fromCIDRSet: [{cidr: 10.0.0.0/8, except: [10.1.0.0/16]}]}]
              ingressDeny: [{fromEndpoints: [{matchExpressions: [{key: io.kubernetes.pod.namespace, operator: Exists}]}]}]
              egress: [{toEndpoints: [{}], icmps: [{fields: [{type: 8, family: IPv4}]}]}]
            """),
        ('m', """
            kind: List
            items:
            - {apiVersion: v1, kind: Pod, metadata: {name: p, labels: {app: w}}, spec: {nodeName: n, containers: [{name: c, ports: [{name: http, containerPort: 80}]}]}, status: {podIP: 10.0.1.7}}
            - {apiVersion: discovery.k8s.io/v1, kind: EndpointSlice, metadata: {name: s, labels: {kubernetes.io/service-name: w}}, addressType: IPv4, ports: [{name: http, port: 80, protocol: TCP}], endpoints: [{addresses: [10.0.1.7], conditions: {ready: true, serving: true, terminating: false}, nodeName: n}]}
            - {apiVersion: v1, kind: Service, metadata: {name: w, annotations: {service.cilium.io/global: "true", service.cilium.io/affinity: local}}, spec: {type: LoadBalancer, clusterIP: 10.2.0.1, sessionAffinity: ClientIP, sessionAffinityConfig: {clientIP: {timeoutSeconds: 60}}, externalIPs: [192.0.2.1], ports: [{name: http, port: 80, targetPort: http, nodePort: 30080}]}}
            """),
        ('i', "nonMasqueradeCIDRs: [10.0.0.0/8, 'fd00::/8']\nmasqLinkLocal: true\nmasqLinkLocalIPv6: false\n"),
        ('e', "endpoints:\n- https://east.mesh.cilium.io:32379\n- http://10.0.0.1:2379\ntrusted-ca-file: /ca.crt\ncert-file: /c.crt\nkey-file: /c.key\nhost-aliases: {east.mesh.cilium.io: 172.18.0.2}\n"),
    ];
}
