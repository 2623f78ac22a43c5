# shellcheck shell=bash
# cases.sh: things that are set up wrong, one after the other, and what cmesh trace says about each, on real forwarders.
# Run as ./run-lab.sh cases, in a world of its own whose clusters are connected. The tables of cases without a world are in tests/Trace.Tests.

CASES=(all_well missing_route exemption_missing overlapping_address no_backend one_sided_service local_policy source_range unknown_port silent_node lost_answer
    too_long hops_spent spoofed_source masquerade_off policy_closed policy_denies)

cases() {
    local case
    for case in "${CASES[@]}"; do "case_$case"; done
}

# apply_case <node> <yaml>: a change for the case at hand.
apply_case() {
    printf '%s\n' "$2" >"$STATE/nodes/case.yaml"
    apply_file "$1" "$STATE/nodes/case.yaml"
}

# see_trace <arguments...>: asked as a person would, so that it finds the nodes itself.
see_trace() {
    show_command "any node" cmesh trace "$@"
    OUT=$(timeout --foreground 20 "$CMESH" trace "$@" 2>&1) || true
    show_output "$OUT"
}

case_all_well() {
    heading "Case: nothing is wrong"
    # The first packets make the nodes know each other's MAC addresses.
    at west-curl-pod ping -q -c 2 -W 2 "${ADDRESS[east-webpod-1]}" >/dev/null 2>&1 || true
    see_trace --from default/curl-pod:40001 --to "${ADDRESS[east-webpod-1]}:80" --node west-worker
    expect_line "it arrives" '^east/east-worker: Delivered to pod default/webpod-1\.$' "delivered to east's webpod-1"
    expect_line "and is answered" '^The answer comes back the same way, to pod default/curl-pod of west-worker\.$|to pod default/curl-pod of west/west-worker\.$' "the answer comes back"
    expect_no_line "no remark" '^Note:' "no Note"
}

case_missing_route() {
    heading "Case: a node of the other cluster is not known"
    see_cmesh west-worker delete node east/east-worker
    see_trace --from default/curl-pod --to "${ADDRESS[east-webpod-1]}:80" --node west-worker
    expect_line "named" "^Note: no route to ${ADDRESS[east-webpod-1]} but the default one, though it is an address of the mesh's pods: no node with a pod CIDR around it is known here" "the missing node"
    connect_node west-worker
}

case_exemption_missing() {
    heading "Case: the other cluster's pods are not exempt from masquerading"
    apply_case west-worker 'masquerade: { enabled: true, nonMasqueradeCIDRs: [] }'
    see_trace --from default/curl-pod --to "${ADDRESS[east-webpod-1]}:80" --node west-worker
    expect_line "named" "^Note: ${ADDRESS[east-webpod-1]} is .*, but no masquerade exemption contains it: it will see this node 172.18.0.5 instead of the pod 10.0.1.105\. Add 10.1.1.0/24 or its cluster's pod CIDR to masquerade.nonMasqueradeCIDRs\.$" "the missing exemption"
    expect_line "the other node sees this one" '^  in +uplink: TCP 172\.18\.0\.5:' "source 172.18.0.5"
    apply_case west-worker 'masquerade: { enabled: true, nonMasqueradeCIDRs: [10.1.0.0/16] }'
}

case_overlapping_address() {
    heading "Case: an address in this node's own range that no pod has"
    see_trace --from default/curl-pod --to 10.0.1.77:80 --node west-worker
    expect_line "named" "Dropped \(Stale or unroutable IP\): 10.0.1.77 lies in this node's pod CIDR 10.0.1.0/24, but no pod here has that address\.$" "no such pod, or an overlap"
}

case_no_backend() {
    heading "Case: a service without backends"
    apply_case west-worker 'services: [{ name: default/empty, protocol: TCP, frontends: [{ type: ClusterIP, address: 10.2.9.9, port: 80 }], backends: [] }]'
    see_trace --from default/curl-pod --to default/empty --node west-worker
    expect_line "named" 'Dropped \(Service backend not found\): default/empty has no backend that takes new flows \(it has none at all\)' "no backend"
    see_cmesh west-worker delete service default/empty
}

case_one_sided_service() {
    heading "Case: a service that is global on one side only"
    apply_case west-worker 'services: [{ name: default/mine, protocol: TCP, annotations: { service.cilium.io/global: "true" }, frontends: [{ type: ClusterIP, address: 10.2.9.9, port: 80 }], backends: [{ address: 10.0.1.14, port: 80, cluster: west, node: west-worker }] }]'
    see_trace --from default/curl-pod --to default/mine --node west-worker
    expect_line "named" '^Note: default/mine is global, but no other cluster has given it a backend: there the service is missing \(another name or namespace than default/mine\)' "one-sided"
    see_cmesh west-worker delete service default/mine
}

case_local_policy() {
    heading "Case: externalTrafficPolicy Local, and no backend on the node that is asked"
    apply_case west-worker 'services: [{ name: default/near, protocol: TCP, externalTrafficPolicy: Local, frontends: [{ type: NodePort, port: 30111 }], backends: [{ address: 10.0.0.53, port: 80, cluster: west, node: west-control-plane }] }]'
    see_trace --from 172.18.0.100 --to 172.18.0.5:30111 --node west-worker
    expect_line "named" 'the traffic policy of default/near is Local, and no backend of it runs on west-worker \(there are some on west/west-control-plane\)\.$' "the policy"
    see_cmesh west-worker delete service default/near
}

case_source_range() {
    heading "Case: a client outside of loadBalancerSourceRanges"
    apply_case west-worker 'services: [{ name: default/few, protocol: TCP, loadBalancerSourceRanges: [192.0.2.0/24], frontends: [{ type: LoadBalancer, address: 192.0.2.10, port: 80 }], backends: [{ address: 10.0.1.14, port: 80, cluster: west, node: west-worker }] }]'
    see_trace --from 172.18.0.100 --to 192.0.2.10:80 --node west-worker
    expect_line "named" 'Dropped \(Denied by LB src range check\): 172.18.0.100 is not in the loadBalancerSourceRanges of default/few \(192.0.2.0/24\)\.$' "the ranges"
    see_cmesh west-worker delete service default/few
}

case_unknown_port() {
    heading "Case: a port that no service has"
    see_trace --from default/curl-pod --to "${VIP[west]}:8080" --node west-worker
    expect_line "named" "^Note: ${VIP[west]} is an address of services, but nothing is at 8080/TCP: it is routed as any address\. There is ${VIP[west]}:80/TCP of default/webpod\.$" "the port that there is"
}

case_silent_node() {
    heading "Case: a node that does not answer"
    apply_case west-worker 'nodes: [{ name: ghost, cluster: east, addresses: [172.18.0.99], podCIDRs: [10.1.9.0/24] }]'
    at west-curl-pod ping -q -c 4 -i 1.1 -W 1 10.1.9.9 >/dev/null 2>&1 || true
    see_trace --from default/curl-pod --to 10.1.9.9:80 --node west-worker
    expect_line "named" '^west/west-worker: Waits for the MAC address of node east/ghost \(172.18.0.99\), who does not answer: it will be dropped \(FIB lookup failed\)\.' "the silent node"
    expect_line "and what to do" '^To do: Start the forwarder of east/ghost, or mend its address \(cmesh node list\)\.$' "the cure"
    see_cmesh west-worker delete node east/ghost
}

case_lost_answer() {
    heading "Case: the other side does not know the way back"
    see_cmesh east-worker delete node west/west-worker
    see_trace --from default/curl-pod --to "${ADDRESS[east-webpod-1]}:80" --node west-worker
    expect_line "the packet arrives" '^east/east-worker: Delivered to pod default/webpod-1\.' "delivered"
    expect_line "the answer does not" '^The answer leaves the mesh at east/east-worker: |^The answer ends at east/east-worker\.' "the answer goes astray"
    connect_node east-worker
}

case_too_long() {
    heading "Case: a packet that is longer than the MTU"
    see_trace --from default/curl-pod --to "${ADDRESS[east-webpod-1]}:80" --length 1600 --node west-worker
    expect_line "named" "Dropped \(Fragmentation needed\): 1600 bytes do not fit uplink's MTU of 1500, and the packet may not be cut \(DF\)\.$" "the MTU"
}

case_hops_spent() {
    heading "Case: a packet that has made its last hop"
    see_trace --from default/curl-pod --to "${ADDRESS[east-webpod-1]}:80" --ttl 2 --node west-worker
    expect_line "named, at the second node" '^east/east-worker: Dropped \(TTL exceeded\): the packet came with 1 hop left, and this node is one more\.' "the hop"
}

case_spoofed_source() {
    heading "Case: a pod under another's address"
    see_trace --from 10.0.1.14 --to "${ADDRESS[east-webpod-1]}:80" --in default/curl-pod --node west-worker
    expect_line "named" 'Dropped \(Invalid source ip\): 10.0.1.14 is not an address of pod default/curl-pod, which has 10.0.1.105\.$' "the source"
}

case_masquerade_off() {
    heading "Case: masquerading is off"
    apply_case west-worker 'masquerade: { enabled: false }'
    see_trace --from default/curl-pod --to 172.18.0.100:80 --node west-worker
    expect_line "named" "^Note: masquerading is off, so 172.18.0.100 sees the pod's own address 10.0.1.105 and can answer only if its network routes that here\." "masquerading is off"
    apply_case west-worker 'masquerade: { enabled: true, nonMasqueradeCIDRs: [10.1.0.0/16] }'
}

case_policy_closed() {
    heading "Case: a policy closes a pod, and no rule lets the other cluster's in"
    apply_case east-worker 'policies: [{name: default/closed, defaultDenyIngress: true}]'
    see_trace --from default/curl-pod --to "${ADDRESS[east-webpod-1]}:80" --node west-worker
    expect_line "named, at the other node" "^east/east-worker: Dropped \(Policy denied\): no policy lets .* \(${ADDRESS[west-curl-pod]}\) reach .* at ${ADDRESS[east-webpod-1]}:80/TCP\.\$" "the closed pod"
    expect_line "and what to do" '^To do: Allow it in a network policy that selects the destination ' "the cure"
    see_cmesh east-worker delete policy default/closed
}

case_policy_denies() {
    heading "Case: a rule that denies wins over all that allow"
    apply_case west-worker 'policies: [{name: default/allow, rules: [{direction: egress}]}, {name: default/deny, rules: [{direction: egress, deny: true, ports: [{protocol: TCP, port: 80}]}]}]'
    see_trace --from default/curl-pod --to "${ADDRESS[east-webpod-1]}:80" --node west-worker
    expect_line "named" '^west/west-worker: Dropped \(Policy denied by denylist\): a deny rule of the sender.s policies forbids identity [0-9]+ to speak to identity [0-9]+ at 80/TCP\.$' "the rule that denies"
    expect_line "and what to do" "^To do: Ask which: cmesh policy explain --from ${ADDRESS[west-curl-pod]} --to ${ADDRESS[east-webpod-1]} --port 80/TCP\.\$" "the question that names it"
    see_cmesh west-worker policy explain --from "${ADDRESS[west-curl-pod]}" --to "${ADDRESS[east-webpod-1]}" --port 80/TCP
    expect_line "which it then does" 'default/deny' "default/deny"
    see_cmesh west-worker delete policy default/allow default/deny
}
