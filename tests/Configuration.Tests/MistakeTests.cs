using ClusterMesh.Datapath.State;

namespace ClusterMesh.Datapath.Configuration.Tests;

/// <summary>Each mistake a person can make in a file has one sentence, and this is all of it.</summary>
public sealed class MistakeTests
{
    /// <summary>Text of the sample, what stands there instead, and the sentence after the file's name.</summary>
    public static TheoryData<string, string, string> InTheSample => new()
    {
        { "clusterId: 1", "clusterId: two", "5: node.clusterId: expected a number, found 'two'" },
        { "clusterId: 1", "clusterId: '1'", "5: node.clusterId: expected a number, found '1' as text; remove the quotes" },
        { "clusterId: 1", "clusterId: 1.5", "5: node.clusterId: expected a number, found '1.5'" },
        { "clusterId: 1", "clusterId: 99999999999", "5: node.clusterId: 99999999999 is out of range" },
        { "clusterId: 1", "clusterId: [1]", "5: node.clusterId: expected a number, found a list" },
        { "clusterId: 1", "clusterId:", "5: node.clusterId: expected a number, found nothing" },
        { "clusterId: 1", "clusterID: 1", "5: node.clusterID: unknown field 'clusterID'; did you mean 'clusterId'?" },
        { "clusterId: 1", "clusterId: 1\n  clusterId: 2", "6: node.clusterId: the field is given twice, first at x.yaml:5; keep one" },
        { "    frontends:\n      - address: 10.2.164.148", "    frontend:\n      - address: 10.2.164.148", "54: services[0].frontend: unknown field 'frontend'; did you mean 'frontends'?" },
        { "  podCIDRs: [10.0.1.0/24]", "  podCidrs: [10.0.1.0/24]", "7: node.podCidrs: unknown field 'podCidrs'; did you mean 'podCIDRs'?" },
        { "host:", "hots:", "9: hots: unknown field 'hots'; did you mean 'host'?" },
        { "host:", "kind: Node\nhost:", "9: kind: unknown field 'kind'; known are node, socket, host, uplink, routing, loadBalancer, masquerade, tables, flows, endpoints, nodes, routes, services" },
        { "name: default/curl-pod", "name: [a, b]", "28: endpoints[0].name: expected text, found a list" },
        { "name: default/curl-pod", "name:", "28: endpoints[0].name: expected text, found nothing" },
        { "name: default/curl-pod", "name: \"a\\u0007b\"", "28: endpoints[0].name: the text holds control or broken characters; remove them" },
        { "addresses: [10.0.1.105]", "addresses: 10.0.1.105", "30: endpoints[0].addresses: expected a list, found '10.0.1.105'; begin each item with '- '" },
        { "addresses: [10.0.1.105]", "addresses:", "30: endpoints[0].addresses: expected a list, found nothing; write [] for an empty one" },
        { "addresses: [10.0.1.105]", "addresses: [[10.0.1.105]]", "30: endpoints[0].addresses[0]: expected text, found a list" },
        { "addresses: [10.0.1.105]", "addresses: {a: b}", "30: endpoints[0].addresses: expected a list, found fields; begin each item with '- '" },
        { "autoDirectNodeRoutes: true", "autoDirectNodeRoutes: yes", "21: routing.autoDirectNodeRoutes: expected true or false, found 'yes'" },
        { "autoDirectNodeRoutes: true", "autoDirectNodeRoutes: 'true'", "21: routing.autoDirectNodeRoutes: expected true or false, found 'true' as text; remove the quotes" },
        { "host:\n  namespace: west-worker", "host: west-worker", "9: host: expected fields such as 'namespace: ...', found 'west-worker'" },
        { "routes:\n  - prefix", "routes:\n  -\n  - prefix", "48: routes[0]: expected fields such as 'prefix: ...', found nothing" },
        { "- address: 10.2.164.148", "- <<: *x\n        address: 10.2.164.148", "55: merge keys ('<<') are not understood; write the fields out" },
        { "[172.18.0.5/16]", "*nodes", "6: alias '*nodes' stands for nothing that was finished before it; define '&nodes' first" },
        { "[172.18.0.5/16]", "!!seq [172.18.0.5/16]", "6: tag '!!seq' is not understood; remove it" },
        { "  cluster: west", "\tcluster: west", "4: the line is indented with a tab; use spaces" },
        { "[172.18.0.5/16]", "[172.18.0.5/16", "7: this is not valid YAML: a bracket or brace is not closed; check indentation, colons, quotes and brackets here and just above" },
        { "name: west-worker", "name: 'west-worker", "3: this is not valid YAML: while scanning a quoted scalar, found unexpected end of stream; check indentation, colons, quotes and brackets here and just above" },
        { "name: west-worker", "name: west: worker", "3: this is not valid YAML: while scanning a plain scalar value, found invalid mapping; check indentation, colons, quotes and brackets here and just above" },
        { "name: west-worker", "name: @west", "3: this is not valid YAML: while scanning for the next token, found character that cannot start any token; check indentation, colons, quotes and brackets here and just above" },
        { "  clusterId: 1", "   clusterId: 1", "5: this is not valid YAML: while scanning a plain scalar value, found invalid mapping; check indentation, colons, quotes and brackets here and just above" },
        { "  clusterId: 1", "? [a]\n: 1\nx: 1", "5: a list or mapping stands where a field name must be" },
        { "host:", "---\nhost:", "9: a second document begins here; keep one document in a file" },
        { "name: west-worker", "name: \"\\UFFFFFFFF\"", "3: this is not valid YAML: an escape after '\\' names no character; check indentation, colons, quotes and brackets here and just above" },
        { "name: west-worker", "name: ''", "3: node.name: is missing; give one such as west-worker" },
        { "  name: west-worker\n", "", "2: node.name: is missing; give one such as west-worker" },
        { "name: west-worker", "name: west/worker", "3: node.name: 'west/worker' is no node name; use letters, digits and . _ - only, a letter or digit first, 253 at most" },
        { "cluster: west", "cluster: West", "4: node.cluster: 'West' is no cluster name; use lower-case letters, digits and inner hyphens, 32 at most" },
        { "cluster: west", "cluster: -west", "4: node.cluster: '-west' is no cluster name; use lower-case letters, digits and inner hyphens, 32 at most" },
        { "cluster: west", "cluster: wwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwww", "4: node.cluster: 'wwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwww' is no cluster name; use lower-case letters, digits and inner hyphens, 32 at most" },
        { "clusterId: 1", "clusterId: 512", "5: node.clusterId: 512 is no cluster id; use 0 to 511" },
        { "clusterId: 1", "clusterId: -1", "5: node.clusterId: -1 is no cluster id; use 0 to 511" },
        { "cluster: west", "cluster: default", "5: node.clusterId: a node of cluster 'default' has cluster id 0; give node.cluster a name of its own to join a mesh" },
        { "[172.18.0.5/16]", "[172.18.0.5]", "6: node.addresses[0]: '172.18.0.5' has no prefix length; add one, as in '172.18.0.5/24'" },
        { "[172.18.0.5/16]", "[172.18.0.0/16]", "6: node.addresses[0]: 172.18.0.0 is the network address of 172.18.0.0/16; use an address of one host" },
        { "[172.18.0.5/16]", "[172.18.255.255/16]", "6: node.addresses[0]: 172.18.255.255 is the broadcast address of 172.18.0.0/16; use an address of one host" },
        { "[172.18.0.5/16]", "[172.18.0.500/16]", "6: node.addresses[0]: expected a CIDR such as 10.0.0.0/24, found '172.18.0.500/16'" },
        { "[172.18.0.5/16]", "[172.18.0.5/33]", "6: node.addresses[0]: expected a CIDR such as 10.0.0.0/24, found '172.18.0.5/33'" },
        { "[172.18.0.5/16]", "[127.0.0.1/8]", "6: node.addresses[0]: 127.0.0.1 is a loopback address; use an address of one host" },
        { "[172.18.0.5/16]", "[10.0.1.7/16]", "6: node.addresses[0]: 10.0.1.7 lies in the node's own pod CIDR 10.0.1.0/24; use an address of the node network" },
        { "[172.18.0.5/16]", "[172.18.0.5/16, 172.18.0.5/24]", "6: node.addresses[1]: 172.18.0.5 is given twice; keep one" },
        { "[172.18.0.5/16]", "['::ffff:172.18.0.5/16']", "6: node.addresses[0]: expected a CIDR such as 10.0.0.0/24, found '::ffff:172.18.0.5/16'" },
        { "[172.18.0.5/16]", "[fd00::5]", "6: node.addresses[0]: 'fd00::5' has no prefix length; add one, as in 'fd00::5/64'" },
        { "[172.18.0.5/16]", "[]", "12: uplink: an uplink needs the node's own address there; add node.addresses such as 172.18.0.5/16" },
        { "[10.0.1.0/24]", "[10.0.1.5/24]", "7: node.podCIDRs[0]: '10.0.1.5/24' has bits set behind its length; did you mean '10.0.1.0/24'?" },
        { "[10.0.1.0/24]", "[10.0.1.4/31]", "7: node.podCIDRs[0]: 10.0.1.4/31 has no room for a router and a pod; use /30 or a shorter length" },
        { "[10.0.1.0/24]", "[10.0.1.0/24, 10.0.1.128/25]", "7: node.podCIDRs[1]: 10.0.1.128/25 overlaps 10.0.1.0/24 at x.yaml:7; keep one" },
        { "[10.0.1.0/24]", "[10.0.1]", "7: node.podCIDRs[0]: expected a CIDR such as 10.0.0.0/24, found '10.0.1'" },
        { "podCIDRs: [10.0.1.0/24]", "podCIDRs: [10.0.1.0/24]\n  routerAddresses: [10.0.1.255]", "8: node.routerAddresses[0]: 10.0.1.255 is the broadcast address of 10.0.1.0/24; use an address of one host" },
        { "podCIDRs: [10.0.1.0/24]", "podCIDRs: [10.0.1.0/24]\n  routerAddresses: ['fd00::1']", "8: node.routerAddresses: there is no router address for the pods of 10.0.1.0/24; add one of that family or leave the list out" },
        { "podCIDRs: [10.0.1.0/24]", "podCIDRs: [10.0.1.0/24]\n  routerAddresses: [224.0.0.1]", "8: node.routerAddresses[0]: 224.0.0.1 is a multicast address; use an address of one host" },
        { "host:\n  namespace: west-worker", "host:\n  interface: eth0", "9: host.namespace: is missing; give one such as west-worker, or a path such as /proc/self/ns/net" },
        { "host:\n  namespace: west-worker", "host:\n  namespace: a/b", "10: host.namespace: 'a/b' names no network namespace; give a name under /run/netns or an absolute path" },
        { "interface: west-worker", "interface: west-worker-eth0x", "14: uplink.interface: 'west-worker-eth0x' is no interface name; use 1 to 15 characters without spaces and without / : %" },
        { "interface: west-worker", "interface: ''", "14: uplink.interface: is missing; give one such as eth0" },
        { "interface: west-worker", "interface: 'a b'", "14: uplink.interface: 'a b' is no interface name; use 1 to 15 characters without spaces and without / : %" },
        { "interface: west-worker", "interface: eth%d", "14: uplink.interface: 'eth%d' is no interface name; use 1 to 15 characters without spaces and without / : %" },
        { "bridge: br0", "bridge: br/0", "15: uplink.bridge: 'br/0' is no interface name; use 1 to 15 characters without spaces and without / : %" },
        { "bridge: br0", "bridge: br0\n  mac: 01:00:5e:00:00:01", "16: uplink.mac: 01:00:5e:00:00:01 is no address of one interface; use a unicast one such as 02:00:00:00:00:01" },
        { "bridge: br0", "bridge: br0\n  mac: 02:00:00:00:01", "16: uplink.mac: expected a MAC address such as 02:00:00:00:00:01, found '02:00:00:00:01'" },
        { "bridge: br0", "bridge: br0\n  offloads: some", "16: uplink.offloads: 'some' is no offload; use on, off, or some of checksum, tso4, tso6, ecn, uso4, uso6 with commas between" },
        { "bridge: br0", "bridge: br0\n  offloads: ''", "16: uplink.offloads: '' is no offload; use on, off, or some of checksum, tso4, tso6, ecn, uso4, uso6 with commas between" },
        { "bridge: br0", "bridge: br0\n  offloads: tso4", "16: uplink.offloads: the others need checksum; add it" },
        { "bridge: br0", "bridge: br0\n  offloads: checksum, uso4", "16: uplink.offloads: uso4 and uso6 go together; give both or none" },
        { "namespace: west-curl-pod", "namespace: west-curl-pod\n    offloads: checksum,ecn", "30: endpoints[0].offloads: ecn needs tso4 or tso6; add one" },
        { "host:\n  namespace: west-worker", "host:\n  namespace: node-network\n  interface: west-worker", "15: uplink.interface: west-worker in namespace node-network is the host's interface already; name another one" },
        { "[172.18.0.1]", "[172.19.0.1]", "16: uplink.gateways[0]: 172.19.0.1 is not on the node network 172.18.0.0/16; name a router there" },
        { "[172.18.0.1]", "[172.18.0.5]", "16: uplink.gateways[0]: 172.18.0.5 is the node's own address; name a router" },
        { "[172.18.0.1]", "[172.18.0.1, 172.18.0.9]", "16: uplink.gateways[1]: 172.18.0.9 is a second IPv4 gateway; keep one a family" },
        { "[172.18.0.1]", "[172.18.255.255]", "16: uplink.gateways[0]: 172.18.255.255 is the broadcast address of 172.18.0.0/16; name a router" },
        { "[172.18.0.1]", "['fe80::1']", "16: uplink.gateways[0]: fe80::1 is not on the node network 172.18.0.0/16; name a router there" },
        { "mode: native", "mode: vxlan", "19: routing.mode: mode 'vxlan' comes in a later version; use native" },
        { "mode: native", "mode: bridge", "19: routing.mode: 'bridge' is no routing mode; use native" },
        { "mode: native", "mtu: 500", "19: routing.mtu: 500 is no MTU; use 576 to 65521" },
        { "mode: native", "mtu: 70000", "19: routing.mtu: 70000 is no MTU; use 576 to 65521" },
        { "10.0.0.0/16", "10.0.0.1/16", "20: routing.ipv4NativeRoutingCIDR: '10.0.0.1/16' has bits set behind its length; did you mean '10.0.0.0/16'?" },
        { "10.0.0.0/16", "fd00::/16", "20: routing.ipv4NativeRoutingCIDR: fd00::/16 is not IPv4; move it to ipv6NativeRoutingCIDR" },
        { "routes:", "tables: {conntrackEntries: 1000}\nroutes:", "47: tables.conntrackEntries: 1000 is no table size; use 1024 to 67108864" },
        { "routes:", "tables: {snatEntries: 67108865}\nroutes:", "47: tables.snatEntries: 67108865 is no table size; use 1024 to 67108864" },
        { "routes:", "flows: {fragments: reassemble}\nroutes:", "47: flows.fragments: expected follow, hold or drop, found 'reassemble'" },
        { "routes:", "flows: {ipMasqAgentConfigPath: etc/masq}\nroutes:", "47: flows.ipMasqAgentConfigPath: expected a path from / on such as /etc/config/ip-masq-agent, found 'etc/masq'" },
        { "routes:", "flows: {serviceNoBackendResponse: rejekt}\nroutes:", "47: flows.serviceNoBackendResponse: expected reject or drop, found 'rejekt'" },
        { "routes:", "tables: {nodePortRange: 30000}\nroutes:", "47: tables.nodePortRange: expected a range of ports such as 30000-32767, found '30000'" },
        { "routes:", "tables: {nodePortRange: 32767-30000}\nroutes:", "47: tables.nodePortRange: expected a range of ports such as 30000-32767, found '32767-30000'" },
        { "routes:", "tables: {nodePortRange: 30000-65000}\nroutes:", "47: tables.nodePortRange: a range up to 65000 leaves too few ports above it for SNAT; end it at 64511 or lower" },
        { "host:", "socket: ''\nhost:", "9: socket: the path is empty; give one or remove the line" },
        { "host:", "socket: /sssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssss\nhost:", "9: socket: '/sssssssssssssssssssssssssssssssssssssssssssssssssssssssssss...' is longer than the 107 bytes of a Unix socket's path; give a shorter one in 'socket'" },
        { "- 10.1.0.0/16", "- 10.1.0.0", "25: masquerade.nonMasqueradeCIDRs[0]: '10.1.0.0' has no prefix length; add one, as in '10.1.0.0/24'" },
        { "- 10.1.0.0/16", "- everywhere", "25: masquerade.nonMasqueradeCIDRs[0]: expected a CIDR such as 10.0.0.0/24, found 'everywhere'" },
        { "name: default/curl-pod", "name: default/curl pod", "28: endpoints[0].name: 'default/curl pod' is no name; use letters, digits and . _ / : - only, 253 at most" },
        { "name: default/curl-pod", "name: default/webpod-1", "31: endpoints[1].name: 'default/webpod-1' is given already at x.yaml:28; keep one" },
        { "namespace: west-curl-pod", "interface: eth0", "28: endpoints[0].namespace: is missing; give one such as west-worker, or a path such as /proc/self/ns/net" },
        { "namespace: west-curl-pod", "namespace: west-worker", "28: endpoints[0].interface: eth0 in namespace west-worker is the node's host interface; a pod needs its own" },
        { "[10.0.1.105]", "[10.0.2.105]", "30: endpoints[0].addresses[0]: 10.0.2.105 is outside the node's pod CIDRs 10.0.1.0/24; use an address from there" },
        { "[10.0.1.105]", "[10.0.1.1]", "30: endpoints[0].addresses[0]: 10.0.1.1 is the node's router address; use another one" },
        { "[10.0.1.105]", "[10.0.1.0]", "30: endpoints[0].addresses[0]: 10.0.1.0 is the network address of 10.0.1.0/24; use an address of one host" },
        { "[10.0.1.105]", "[10.0.1.255]", "30: endpoints[0].addresses[0]: 10.0.1.255 is the broadcast address of 10.0.1.0/24; use an address of one host" },
        { "[10.0.1.105]", "[10.0.1.105, 10.0.1.106]", "30: endpoints[0].addresses[1]: 10.0.1.106 is a second IPv4 address; an endpoint has one a family" },
        { "[10.0.1.105]", "[]", "30: endpoints[0].addresses: an endpoint needs an address; add one from the node's pod CIDRs" },
        { "[10.0.1.105]", "[10.0.1.105/32]", "30: endpoints[0].addresses[0]: expected an IP address such as 10.0.0.1, found '10.0.1.105/32'" },
        { "[10.0.1.105]", "['fe80::1%eth0']", "30: endpoints[0].addresses[0]: expected an IP address such as 10.0.0.1, found 'fe80::1%eth0'" },
        { "[10.0.1.105]", "['fe80::1']", "30: endpoints[0].addresses[0]: fe80::1 is a link-local address; use one that other nodes can reach" },
        { "02:00:0a:00:01:0e", "ff:ff:ff:ff:ff:ff", "33: endpoints[1].mac: ff:ff:ff:ff:ff:ff is no address of one interface; use a unicast one such as 02:00:00:00:00:01" },
        { "[172.18.0.2]", "[]", "44: nodes[1].addresses: a node needs an address; add the one it has on the node network" },
        { "[172.18.0.2]", "[172.18.0.2/16]", "44: nodes[1].addresses[0]: expected an IP address such as 10.0.0.1, found '172.18.0.2/16'" },
        { "[172.18.0.2]", "[0.0.0.0]", "44: nodes[1].addresses[0]: 0.0.0.0 is the unspecified address; use an address of one host" },
        { "[172.18.0.2]", "[172.18.0.2, 172.18.0.2]", "44: nodes[1].addresses[1]: 172.18.0.2 is given twice; keep one" },
        { "[10.1.1.0/24]", "[10.1.1.0/24, 10.1.0.0/16]", "45: nodes[1].podCIDRs[1]: 10.1.0.0/16 overlaps another pod CIDR of this node; keep one" },
        { "[10.1.1.0/24]", "['fd00:1::/64']", "45: nodes[1].podCIDRs[0]: fd00:1::/64 cannot be routed, as the node has no IPv6 address; add one to its addresses" },
        { "name: east-worker\n    cluster: east", "name: west-control-plane\n    cluster: west", "42: nodes[1].name: 'west/west-control-plane' is given already at x.yaml:38; keep one" },
        { "192.168.7.0/24", "192.168.7.1/24", "48: routes[0].prefix: '192.168.7.1/24' has bits set behind its length; did you mean '192.168.7.0/24'?" },
        { "192.168.7.0/24", "fd00::/8", "49: routes[0].via: 172.18.0.100 and the prefix fd00::/8 are of different families; use an IPv6 next hop" },
        { "172.18.0.100", "172.19.0.100", "49: routes[0].via: 172.19.0.100 is not on the node network 172.18.0.0/16; name a router there" },
        { "    via: 172.18.0.100\n", "", "48: routes[0].via: is missing; give one such as 10.0.0.1" },
        { "protocol: TCP", "protocol: tcp", "53: services[0].protocol: 'tcp' is no protocol of services; use TCP, UDP, SCTP or ANY" },
        { "type: NodePort", "type: ExternalName", "57: services[0].frontends[1].type: 'ExternalName' is no type of frontend; use ClusterIP, NodePort, LoadBalancer, ExternalIPs or HostPort" },
        { "- address: 10.2.164.148\n        port: 80", "- port: 80", "55: services[0].frontends[0].address: a ClusterIP frontend needs an address; add it" },
        { "port: 30080", "port: 80", "58: services[0].frontends[1].port: 80 is outside the node's NodePort range 30000-32767; use a port from there" },
        { "port: 30080", "port: 30080\n        address: 10.2.0.9", "59: services[0].frontends[1].address: a NodePort listens on every address of the node; remove the address" },
        { "        port: 80\n", "", "55: services[0].frontends[0].port: is missing; give a port from 1 to 65535" },
        { "port: 53", "port: 65536", "66: services[1].frontends[0].port: 65536 is no port; use 1 to 65535" },
        { "[{address: 10.2.0.10, port: 53}]", "[]", "66: services[1].frontends: a service needs a frontend; add one such as {address: 10.2.0.1, port: 80}, or say headless: true" },
        { "{address: 10.0.1.14, port: 80}", "{address: 10.0.1.14, port: 80, state: tired}", "60: services[0].backends[0].state: 'tired' is no backend state; use active, terminating, terminating-not-serving, quarantined, maintenance" },
        { "{address: 10.0.1.14, port: 80}", "{address: 10.0.1.14, port: 0}", "60: services[0].backends[0].port: is missing; give a port from 1 to 65535" },
        { "{address: 10.0.1.14, port: 80}", "{address: 10.0.1.162, port: 80}", "61: services[0].backends[1]: backend 10.0.1.162 port 80 is in this service already; keep one" },
        { "{address: 10.0.1.14, port: 80}", "{address: 'fd00::14', port: 80}", "60: services[0].backends[0].address: fd00::14 would never be used, as the service has no IPv6 frontend; add one or remove the backend" },
        { "{address: 10.0.1.14, port: 80}", "{address: webpod, port: 80}", "60: services[0].backends[0].address: expected an IP address such as 10.0.0.1, found 'webpod'" },
        { "{address: 10.0.1.14, port: 80}", "{port: 80}", "60: services[0].backends[0].address: is missing; give one such as 10.0.0.1" },
        { "cluster: east, node: east-worker", "cluster: East, node: east-worker", "62: services[0].backends[2].cluster: 'East' is no cluster name; use lower-case letters, digits and inner hyphens, 32 at most" },
        { "cluster: east, node: east-worker", "node: 'east worker'", "62: services[0].backends[2].node: 'east worker' is no node name; use letters, digits and . _ - only, a letter or digit first, 253 at most" },
    };

    /// <summary>A service of one line with something wrong in it, in the second line.</summary>
    public static TheoryData<string, string> Services => new()
    {
        { "sessionAffinity: Cookie", "sessionAffinity: 'Cookie' is no session affinity; use None or ClientIP" },
        { "sessionAffinity: ClientIP, sessionAffinityTimeoutSeconds: 86401", "sessionAffinityTimeoutSeconds: 86401 is no timeout in seconds; use 1 to 86400" },
        { "sessionAffinityTimeoutSeconds: 10", "sessionAffinityTimeoutSeconds: there is no session affinity that it could end; add sessionAffinity: ClientIP or remove it" },
        { "externalTrafficPolicy: local", "externalTrafficPolicy: 'local' is no traffic policy; use Cluster or Local" },
        { "internalTrafficPolicy: Node", "internalTrafficPolicy: 'Node' is no traffic policy; use Cluster or Local" },
        { "loadBalancerSourceRanges: [10.0.0.0/8, here]", "loadBalancerSourceRanges[1]: expected a CIDR such as 10.0.0.0/24, found 'here'" },
        { "trafficDistribution: PreferFar", "trafficDistribution: 'PreferFar' is no traffic distribution; use PreferClose or leave it out" },
        { "headless: true", "frontends: a headless service has no frontends; remove them, or headless" },
        { "annotations: [a]", "annotations: expected names with values such as 'name: value', found a list" },
        { "annotations: {a: b, a: c}", "annotations.a: the name is given twice; keep one" },
        { "annotations: {a: [b]}", "annotations.a: expected text, found a list" },
        { "annotations: {service.cilium.io/glabal: 'true'}", "annotations: unknown annotation 'service.cilium.io/glabal'; did you mean 'service.cilium.io/global'?" },
        { "annotations: {service.cmesh.io/min-local-backends: '0'}", "annotations.service.cmesh.io/min-local-backends: '0' is no number of backends within 1 and 10000" },
        { "annotations: {service.cilium.io/global: 'true', service.cilium.io/affinity: near}", "annotations.service.cilium.io/affinity: 'near' is no affinity; use none, local or remote" },
        { "annotations: {service.cilium.io/forwarding-mode: dsr}", "annotations.service.cilium.io/forwarding-mode: dsr does not exist here yet; use snat or leave it out" },
        { "annotations: {service.cilium.io/forwarding-mode: tunnel}", "annotations.service.cilium.io/forwarding-mode: 'tunnel' is no forwarding mode; use snat" },
        { "annotations: {service.cilium.io/lb-algorithm: dice}", "annotations.service.cilium.io/lb-algorithm: 'dice' is no algorithm; use random or maglev" },
        { "annotations: {service.cilium.io/type: 'ClusterIP,NodePort'}", "annotations.service.cilium.io/type: 'ClusterIP,NodePort' is no type that can stand alone; use exactly one of ClusterIP, NodePort and LoadBalancer" },
        { "annotations: {service.cilium.io/src-ranges-policy: no}", "annotations.service.cilium.io/src-ranges-policy: 'no' is no policy; use allow or deny" },
        { "annotations: {service.cilium.io/node-selector: 'a in b'}", "annotations.service.cilium.io/node-selector: 'a in b' is no label selector; write one such as 'service.cilium.io/node in (a,b)'" },
        { "backends: [{address: 10.0.0.1, port: 1, weight: 0}]", "backends[0].weight: 0 is no weight; use 1 to 65535" },
        { "backends: [{address: 10.0.0.1, port: 1, forZones: ['a b']}]", "backends[0].forZones[0]: 'a b' is no zone; use letters, digits and . _ -" },
    };

    /// <summary>A loadBalancer section with something wrong in it.</summary>
    public static TheoryData<string, string> LoadBalancers => new()
    {
        { "algorithm: roundrobin", "algorithm: 'roundrobin' is no algorithm; use random or maglev" },
        { "maglevTableSize: 1000", "maglevTableSize: 1000 is no size of a Maglev table; use one of 251, 509, 1021, 2039, 4093, 8191, 16381, 32749, 65521, 131071" },
        { "maglevHashSeed: abc", "maglevHashSeed: 'abc' is no seed; give 12 bytes as base64, such as JLfvgnHc2kaSUFaI (head -c12 /dev/urandom | base64)" },
        { "serviceLoopbackIPv4: 'fe80::2'", "serviceLoopbackIPv4: fe80::2 is no IPv4 address; use one such as 169.254.42.1" },
    };

    [Theory]
    [MemberData(nameof(Services))]
    public void In_a_service(string fields, string sentence) =>
        Refused($"node: {{name: a}}\nservices: [{{name: s, frontends: [{{address: 10.2.0.1, port: 80}}], {fields}}}]", $"2: services[0].{sentence}");

    [Theory]
    [MemberData(nameof(LoadBalancers))]
    public void In_the_load_balancer(string fields, string sentence) => Refused($"node: {{name: a}}\nloadBalancer: {{{fields}}}", $"2: loadBalancer.{sentence}");

    /// <summary>Whole texts.</summary>
    public static TheoryData<string, string> WholeTexts => new()
    {
        { "node: {name: a, podCIDRs: ['fd00::/64']}\nrouting: {mtu: 1200}", "2: routing.mtu: 1200 is too small for IPv6, which this node uses; use 1280 or more" },
        { "services: {}\nnode: {name: a, adresses: []}", "1: services: expected a list, found fields; begin each item with '- '" },
        { "", " the file is empty; it must hold one YAML document" },
        { " \t", " the file is empty; it must hold one YAML document" },
        { "node: {name: a}\nservices: [{name: a, backends: [{adress: 10.0.0.1}]}]", "2: services[0].backends[0].adress: unknown field 'adress'; did you mean 'address'?" },
        { "node: {name: a, adress: [], averyveryverylongfieldnamethatnobodywouldeverwriteintoafileofours: 1}", "1: node.adress: unknown field 'adress'; did you mean 'addresses'?" },
        { "a: b: c", "1: this is not valid YAML: while scanning a plain scalar value, found invalid mapping; check indentation, colons, quotes and brackets here and just above" },
        { "node: {\"na\\tme\": a}", "1: node.na?me: unknown field 'na?me'; did you mean 'name'?" },
        { "node: {name: nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn}", "1: socket: '/run/cmesh/default-nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn...' is longer than the 107 bytes of a Unix socket's path; give a shorter one in 'socket'" },
        { "# nothing\n", " the file is empty; it must hold one YAML document" },
        { "---\n...\n", "2: expected fields such as 'node: ...', found nothing" },
        { "- a\n- b\n", "1: expected fields such as 'node: ...', found a list" },
        { "just text", "1: expected fields such as 'node: ...', found 'just text'" },
        { "{}", "1: node.name: is missing; give one such as west-worker" },
        { "node: {name: a}\n---\nnode: {name: b}\n", "2: a second document begins here; keep one document in a file" },
        { "a: [[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]", "1: lists and mappings are nested too deep here; no field needs that" },
        { "[a, b", "2: this is not valid YAML: while parsing a flow sequence, did not find expected ',' or ']'; check indentation, colons, quotes and brackets here and just above" },
        { "node: &n {name: *n}", "1: alias '*n' stands for nothing that was finished before it; define '&n' first" },
    };

    [Theory]
    [MemberData(nameof(InTheSample))]
    public void In_the_sample(string old, string replacement, string sentence) => Refused(Sample.With(old, replacement), sentence);

    [Theory]
    [MemberData(nameof(WholeTexts))]
    public void Whole_text(string text, string sentence) => Refused(text, sentence);

    private static void Refused(string text, string sentence) =>
        Assert.Equal($"x.yaml:{sentence}", Assert.Throws<ConfigurationException>(() => NodeFile.Parse("x.yaml", text)).Message);
}
