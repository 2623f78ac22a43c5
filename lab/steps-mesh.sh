# shellcheck shell=bash
# steps-mesh.sh: the walk-through's steps that ask and tell the agents: before the clusters are joined and as they are (3, 6 to 10), what is deployed
# (15, 16), whose backends are used (19 to 23), and what is refused (26, 27).

# The steps of ./run-lab.sh, in order. Tunnel mode (30) is all of them with --mode vxlan.
STEPS=(1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29)
# Those of --short: as few as join two clusters, and what passes between them and to the outside.
SHORT_STEPS=(1 6 8 12 13 14 15 17 18 19 20 24 25 28 29)

step_3() {
    heading "Step 3: status"
    local node
    for node in west-worker east-worker; do
        see_cmesh "$node" status
        expect "$node: all is well" "exit code 0" "exit code $RC"
        expect_line "$node: the forwarder is OK" '^Forwarder: +OK ' "Forwarder: OK"
        expect_line "$node: all ports are up" '^Ports: +OK +[0-9]+ up$' "Ports: OK"
        expect_line "$node: no mesh yet" '^ClusterMesh: +disabled$' "ClusterMesh: disabled"
    done
}

step_6() {
    heading "Step 6: one CA for both clusters, and clustermesh enable"
    local cluster pods
    see_mesh clustermesh enable --context west
    expect_line "west makes a CA" 'CA CN=Cilium CA, O=cmesh made, valid until' "a CA is made"
    expect_line "and certificates: the server's" "server certificate for the cluster's etcd made" "a server certificate"
    expect_line "and the client's that other clusters get" "client certificate 'remote' for other clusters made" "a client certificate"
    expect_line "and starts what other clusters read" 'deployment/kube-system/clustermesh-apiserver created' "a deployment"
    see_mesh clustermesh enable --context east --ca-from west
    expect_line "east takes over west's CA" 'CA CN=Cilium CA, O=cmesh taken over' "the CA is taken over"
    expect_that "both trust the same CA" "the same file" cmp "$STATE/pki/west/ca.crt" "$STATE/pki/east/ca.crt"
    for cluster in west east; do
        pods=$(ports_of "$cluster-clustermesh-apiserver" 2379)
        wait_for 20 pods_are_ready "$cluster" kube-system clustermesh-apiserver 1 || true
        see_mesh get svc,ep -n kube-system clustermesh-apiserver --context "$cluster"
        expect_line "$cluster: the service has NodePort 32379" "^service/clustermesh-apiserver +NodePort +$(of_all_families MESH_VIP "$cluster" ,) +<none> +2379:32379/TCP\$" \
            "${MESH_VIP[$cluster]} 2379:32379/TCP"
        expect_line "$cluster: and a pod behind it" "^endpoints/clustermesh-apiserver +$(literally "$pods")\$" "$pods"
        see_mesh_etcd "$cluster" "${ADDRESS[$cluster-control-plane]}"
        expect "$cluster: its etcd answers by TLS at the NodePort" '{"health":"true"}' "$OUT"
    done
    see outside curl -sS -m 5 --cacert "$STATE/pki/west/ca.crt" --resolve "west.mesh.cilium.io:32379:$(host "${ADDRESS[west-control-plane]}")" \
        https://west.mesh.cilium.io:32379/health
    expect_that "who has no certificate is refused" "no answer" test "$RC" -ne 0
}

# ports_of <place> <port>: its addresses in all families of the world, as get ep shows them.
ports_of() {
    local family text=''
    for family in "${FAMILIES[@]}"; do
        local -n addresses=ADDRESS_$family
        text+=${text:+,}$(host "${addresses[$1]}"):$2
        unset -n addresses
    done
    printf '%s\n' "$text"
}

# see_mesh_etcd <cluster> <node address>: the health of the cluster's etcd for others, from outside, by that node's NodePort.
see_mesh_etcd() {
    local pki=$STATE/pki/$1
    see outside curl -sS -m 5 --cacert "$pki/ca.crt" --cert "$pki/remote.crt" --key "$pki/remote.key" \
        --resolve "$1.mesh.cilium.io:32379:$(host "$2")" "https://$1.mesh.cilium.io:32379/health"
}

step_7() {
    heading "Step 7: clustermesh status --wait, before the clusters are joined"
    local cluster
    for cluster in west east; do
        see_mesh clustermesh status --context "$cluster" --wait --wait-duration 60
        OUT=$(grep -v '^⌛' <<<"$OUT" || true)
        expect "$cluster: the page" "$(mesh_page "$cluster" '' 0)" "$OUT"
    done
}

# mesh_page <cluster> <the other, or nothing> <global services>: what clustermesh status shows when all is well.
mesh_page() {
    cat <<END
✅ Service "clustermesh-apiserver" of type "NodePort" found
✅ Cluster access information is available:
  - $(host "${ADDRESS[$1-control-plane]}"):32379
✅ Deployment clustermesh-apiserver is ready
ℹ️  KVStoreMesh is disabled
END
    if [[ $2 ]]; then
        printf '%s\n' '' "✅ All 2 nodes are connected to all clusters [min:1 / avg:1.0 / max:1]" '' "🔌 Cluster Connections:" "  - $2: 2/2 configured, 2/2 connected"
    else
        printf '%s\n' '' "🔌 No cluster connected"
    fi
    printf '%s\n' '' "🔀 Global services: [ min:$3 / avg:$3.0 / max:$3 ]"
}

step_8() {
    heading "Step 8: clustermesh connect"
    local cluster
    see_mesh clustermesh connect --context west --destination-context east
    expect "the messages" "✨ Extracting access information of cluster west...
🔑 Extracting secrets from cluster west...
⚠️ Service type NodePort detected! Service may fail when nodes are removed from the cluster!
ℹ️ Found ClusterMesh service IPs: [${ADDRESS[west-control-plane]}]
✨ Extracting access information of cluster east...
🔑 Extracting secrets from cluster east...
⚠️ Service type NodePort detected! Service may fail when nodes are removed from the cluster!
ℹ️ Found ClusterMesh service IPs: [${ADDRESS[east-control-plane]}]
ℹ️ Configuring Cilium in cluster west to connect to cluster east
ℹ️ Configuring Cilium in cluster east to connect to cluster west
✅ Connected cluster west <=> east!" "$OUT"
    for cluster in west east; do
        see_mesh clustermesh status --context "$cluster" --wait --wait-duration 60
        OUT=$(grep -v '^⌛' <<<"$OUT" || true)
        expect "$cluster: all nodes are connected" "$(mesh_page "$cluster" "${OTHER[$cluster]}" 0)" "$OUT"
    done
}

step_9() {
    heading "Step 9: clustermesh troubleshoot"
    local address
    address=$(literally "${ADDRESS[east-control-plane]}")
    see_mesh clustermesh troubleshoot --context west
    expect "every step succeeds" "exit code 0" "exit code $RC"
    expect "on both nodes" 2 "$(grep -c '^Found 1 cluster configurations$' <<<"$OUT" || true)"
    expect_line "the configuration's path" "^📄 Configuration path: $STATE/clustermesh/west-worker/east\$" "the path of the file"
    expect_line "the endpoint" '^   - https://east\.mesh\.cilium\.io:32379$' "https://east.mesh.cilium.io:32379"
    expect_line "the name" "^     ✅ Hostname resolved to: $address\$" "${ADDRESS[east-control-plane]}"
    expect_line "TCP" "^     ✅ TCP connection successfully established to $(literally "$(host "${ADDRESS[east-control-plane]}")"):32379\$" "a connection"
    expect_line "TLS" "^     ✅ TLS connection successfully established to $(literally "$(host "${ADDRESS[east-control-plane]}")"):32379\$" "a connection"
    expect_line "its version and cipher" '^     ℹ️ Negotiated TLS version: TLS 1\.3, ciphersuite TLS_' "TLS 1.3"
    expect_line "the CA" '^        Subject: +CN=Cilium CA, O=cmesh$' "CN=Cilium CA, O=cmesh"
    expect_line "the client's certificate" '^        Subject: +CN=remote$' "CN=remote"
    expect_line "etcd" '^   ✅ Etcd connection successfully established$' "a connection"
    expect_line "its cluster id" '^   ℹ️ Etcd cluster ID: [0-9a-f]+$' "an id"
    expect_line "its version" '^   ℹ️ Etcd server version: 3\.' "a version"
}

step_10() {
    heading "Step 10: status --verbose"
    local cluster other endpoints=$(( 2 * ${#FAMILIES[@]} ))
    local -A id=([west]=1 [east]=2)
    for cluster in west east; do
        other=${OTHER[$cluster]}
        see_cmesh "$cluster-worker" status --verbose
        expect_line "$cluster: one cluster is ready" '^ClusterMesh: +1/1 remote clusters ready, 0 global-services$' "1/1 remote clusters ready, 0 global-services"
        # Its DNS and its etcd for others, an endpoint an address.
        expect_line "$cluster: with $other's nodes and pods" \
            "^   $other: ready, 2 nodes, $endpoints endpoints, 2 identities, 0 services, 0 MCS-API service exports, [0-9]+ reconnections \\(last: .+\\)\$" \
            "$other: ready, 2 nodes, $endpoints endpoints, 2 identities, 0 services, 0 MCS-API service exports"
        expect_line "$cluster: the etcd" '^   └  etcd: 1/1 connected, leases=0, lock leases=0, has-quorum=true: endpoint status checks are disabled, ID: [0-9a-f]+$' "1/1 connected"
        expect_line "$cluster: the configuration" "^   └  remote configuration: expected=true, retrieved=true, cluster-id=${id[$other]}, kvstoremesh=false, sync-canaries=true, service-exports=disabled\$" \
            "retrieved=true"
        expect_line "$cluster: what is synchronized" '^   └  synchronization status: nodes=true, endpoints=true, identities=true, services=true$' "all true"
    done
}

step_15() {
    heading "Step 15: a pod to ask from, two that answer, and a global service"
    local cluster
    for cluster in west east; do
        see_mesh apply -f "$STATE/manifests/$cluster/webpod.yaml" --context "$cluster"
        expect "$cluster: all three are created" "pod/default/curl-pod created
deployment/default/webpod created
service/default/webpod created" "$OUT"
        wait_for 20 pods_are_ready "$cluster" default webpod 2 || true
    done
}

step_16() {
    heading "Step 16: service and endpoints"
    local cluster
    for cluster in west east; do
        see_mesh get svc,ep webpod --context "$cluster"
        expect_line "$cluster: the service" "^service/webpod +NodePort +$(of_all_families VIP "$cluster" ,) +<none> +80:30080/TCP\$" "${VIP[$cluster]} 80:30080/TCP"
        expect "$cluster: its own two pods" "$(words "$(ports_of "$cluster-webpod-1" 80),$(ports_of "$cluster-webpod-2" 80)" | tr , '\n' | sort)" \
            "$(sed -nE 's|^endpoints/webpod +||p' <<<"$OUT" | tr , '\n' | sort)"
    done
}

step_19() {
    heading "Step 19: west's webpod scaled to 0"
    local cluster
    for cluster in west east; do each_family start_service_requests "$cluster"; done
    scale west 0
    for cluster in west east; do
        each_family list_shows "$cluster-worker" EAST_WEBPODS
        each_family requests_reach "$cluster" "new requests go to the east backends" EAST_WEBPODS
    done
}

start_service_requests() { start_requests "$1-$IP" "$1-curl-pod" "http://$(host "${VIP[$1]}")/"; }

finish_service_requests() { finish_requests "$1-$IP" "$1$OVER"; }

step_20() {
    heading "Step 20: and back to 2"
    local cluster
    scale west 2
    for cluster in west east; do each_family list_shows "$cluster-worker" ALL_WEBPODS; done
    for cluster in west east; do each_family finish_service_requests "$cluster"; done
}

# annotate <cluster> <annotation>
annotate() {
    see_mesh annotate service webpod "$2" --overwrite --context "$1"
    expect "$1 takes it" "service/default/webpod annotated" "$OUT"
}

step_21() {
    heading "Step 21: affinity=remote in both clusters"
    local cluster
    for cluster in west east; do annotate "$cluster" service.cilium.io/affinity=remote; done
    for cluster in west east; do
        each_family list_prefers "$cluster-worker" "WEBPODS_OF[${OTHER[$cluster]}]"
        each_family requests_reach "$cluster" "only the other cluster's pods answer" "WEBPODS_OF[${OTHER[$cluster]}]"
    done
    scale east 0
    each_family list_shows west-worker WEST_WEBPODS
    each_family requests_reach west "without a remote pod the own ones answer" WEST_WEBPODS
    scale east 2
    each_family list_shows west-worker ALL_WEBPODS
    each_family requests_reach west "and the other cluster's again when they are back" EAST_WEBPODS
}

step_22() {
    heading "Step 22: affinity=local in both clusters"
    local cluster
    for cluster in west east; do annotate "$cluster" service.cilium.io/affinity=local; done
    for cluster in west east; do
        each_family list_prefers "$cluster-worker" "WEBPODS_OF[$cluster]"
        each_family requests_reach "$cluster" "only the own pods answer" "WEBPODS_OF[$cluster]"
    done
    scale west 0
    each_family list_shows west-worker EAST_WEBPODS
    each_family requests_reach west "without an own pod the other cluster's answer" EAST_WEBPODS
    scale west 2
    each_family list_shows west-worker ALL_WEBPODS
    each_family requests_reach west "and the own ones again when they are back" WEST_WEBPODS
    for cluster in west east; do annotate "$cluster" service.cilium.io/affinity-; done
    for cluster in west east; do each_family list_prefers "$cluster-worker" ''; done
}

step_23() {
    heading "Step 23: west does not share its backends"
    annotate west service.cilium.io/shared=false
    each_family list_shows east-worker EAST_WEBPODS
    each_family requests_reach east "east reaches its own only" EAST_WEBPODS
    each_family list_shows west-worker ALL_WEBPODS
    each_family requests_reach west "west goes on using east's" ALL_WEBPODS
    annotate west service.cilium.io/shared-
    each_family list_shows east-worker ALL_WEBPODS
}

# In one family, each told the name of the variable that has its addresses there, or nothing for none.
list_shows() { expect_backends "$1" "${!2}"; }

list_prefers() { expect_preferred "$1" "${2:+${!2}}"; }

requests_reach() { expect_answering "$1" "$2$OVER" "${!3}"; }

# expect_answering <cluster> <what> <addresses>: who answers 40 new requests of the cluster's curl-pod.
expect_answering() {
    see_requests "$1-curl-pod" 40 "http://$(host "${VIP[$1]}")/"
    expect "$1: $2" "$3" "$(answering)$(failures)"
}

# expect_preferred <node> <addresses>: whose rows of webpod are marked, once the change has arrived.
expect_preferred() {
    wait_for 5 prefers "$1" "$2" || true
    see_cmesh "$1" service list --clustermesh-affinity
    expect "$1 prefers ${2:-none}$OVER" "$2" "$(backends_of "$(host "${VIP[${1%%-*}]}"):80/TCP" ' \(preferred\)')"
}

prefers() {
    OUT=$(cmesh_on "$1" service list --clustermesh-affinity 2>&1) && [[ $(backends_of "$(host "${VIP[${1%%-*}]}"):80/TCP" ' \(preferred\)') == "$2" ]]
}

step_26() {
    heading "Step 26: what two clusters must have, checked before they are joined"
    local name free=10.20.0.0/24
    if (( IP == 6 )); then free=fd00:10:20::/64; fi
    start_stranger twin 1 "$free" 255
    start_stranger clash 3 "${POD_CIDR[west-worker]}" 255
    start_stranger large 3 "$free" 511
    start_stranger foreign 4 "$free" 255
    for name in twin clash large; do wait_for 20 stranger_is_enabled "$name" --ca-from west || fail "the agent of $name answers" "an agent" "$OUT"; done
    wait_for 20 stranger_is_enabled foreign || fail "the agent of foreign answers" "an agent" "$OUT"
    expect_refusal twin "remote and local cluster have the same, non-unique ID: 1"
    # Strangers have no forwarder, which makes their mode native.
    if [[ $MODE == native ]]; then
        expect_refusal clash "pod CIDR ${POD_CIDR[west-worker]} of cluster west overlaps ${POD_CIDR[west-worker]} of cluster clash; clusters of a mesh need ranges of their own"
    else
        expect_refusal clash "remote and local clusters have different datapath modes: native != tunnel; both must be native or both vxlan"
    fi
    expect_refusal large "remote and local clusters have different max connected clusters: 511 != 255"
    expect_refusal west "remote and local cluster have the same, non-unique name: west"
    [[ $MODE != native ]] || connect_foreign
    stop_strangers
    see_mesh clustermesh status --context west
    expect "west has east and nothing else" "$(mesh_page west east 1)" "$OUT"
}

# connect_foreign: a cluster with another CA, where nobody answers.
connect_foreign() {
    see_mesh clustermesh connect --context west --destination-context foreign
    expect_line "another CA is a warning" '^⚠️ Cilium CA certificates do not match between clusters\. Multicluster features will be limited!$' "a warning"
    expect_line "foreign is connected all the same" '^✅ Connected cluster west <=> foreign!$' "connected"
    wait_for 10 is_said_of_foreign || true
    see_mesh clustermesh status --context west
    expect_line "the status says that nobody answers there" '❌ west-worker is not connected to cluster foreign: .+' "a sentence"
    see_mesh clustermesh troubleshoot foreign --context west
    expect_line "troubleshoot says where it fails" '❌ Cannot establish TCP connection to '"$(literally "$(host "${ADDRESS[outside]}")"):32379" "a step that fails"
    see_mesh clustermesh disconnect --context west --destination-context foreign
    expect_line "and they are disconnected" '^✅ Disconnected clusters west and foreign\.$' "disconnected"
}

# start_stranger <cluster> <id> <pod CIDR> <maxConnectedClusters>: an agent without a forwarder, of a cluster that has no other node.
start_stranger() {
    local dir=$STATE/strangers/$1
    mkdir -p "$dir"
    cat >"$dir/agent.yaml" <<END
cluster: {name: $1, id: $2, maxConnectedClusters: $4}
node: {name: node, addresses: ["${ADDRESS[outside]}"], podCIDRs: ["$3"]}
store: {directory: "$dir/store"}
remote: {directory: "$dir/clustermesh"}
clustermesh: {pki: "$dir/pki", endpoint: "$(host "${ADDRESS[outside]}"):32379"}
forwarder: {socket: "$dir/control.sock"}
socket: "$CMESH_RUN_DIR/$1-node/agent.sock"
END
    start "$1-agent" outside "$AGENT" --config "$dir/agent.yaml"
}

# stranger_is_enabled <cluster> <arguments...>
stranger_is_enabled() {
    local name=$1; shift
    [[ -S $CMESH_RUN_DIR/$name-node/agent.sock ]] && OUT=$("$CMESH" clustermesh enable --context "$name" "$@" 2>&1)
}

is_said_of_foreign() { "$CMESH" clustermesh status --context west 2>&1 | grep -q 'not connected to cluster foreign: .*[Rr]efused'; }

stop_strangers() {
    local name
    for name in twin clash large foreign; do
        stop "$name-agent"
        rm -rf "${CMESH_RUN_DIR:?}/$name-node" "$STATE/strangers/$name"
    done
}

# expect_refusal <cluster> <sentence>: connecting west with it changes nothing.
expect_refusal() {
    local before
    before=$(ls "$STATE/clustermesh/west-worker")
    see_mesh clustermesh connect --context west --destination-context "$1"
    expect "$1 is refused" "Error: $2" "$(grep '^Error: ' <<<"$OUT" || true)"
    expect "and nothing is written" "$before" "$(ls "$STATE/clustermesh/west-worker")"
}

step_27() {
    heading "Step 27: 255 clusters of 65,536 identities, or 511 of 32,768; fixed at install"
    sed 's|maxConnectedClusters: 255|maxConnectedClusters: 511|; s|^socket: .*/|socket: "'"$STATE/changed/|" "$STATE/agents/west-worker.yaml" >"$STATE/agents/changed.yaml"
    see west-worker timeout 10 "$AGENT" --config "$STATE/agents/changed.yaml"
    expect_that "an agent that says 511 is refused" "exit code 1 to 123" test "$RC" -gt 0 -a "$RC" -lt 124
    expect_line "with the reason" "the store belongs to the cluster .* 'west 1 255', .* 'west 1 511'; they are fixed at install" "a sentence"
    sed -i 's|maxConnectedClusters: 511|maxConnectedClusters: 300|' "$STATE/agents/changed.yaml"
    see west-worker "$AGENT" --config "$STATE/agents/changed.yaml" --check
    expect "any other number is a mistake" "exit code 2" "exit code $RC"
    local cluster first pki
    for cluster in west east; do
        first=65536 pki=$STATE/pki/$cluster
        [[ $cluster == west ]] || first=131072
        see outside etcdctl --endpoints "https://$(host "${ADDRESS[$cluster-control-plane]}"):32379" --cacert "$pki/ca.crt" --cert "$pki/remote.crt" --key "$pki/remote.key" \
            get --prefix --keys-only cilium/state/identities/v1/id/
        expect "$cluster's identities lie within its 65,536" "all within $first and $(( first + 65535 ))" "$(outside_of "$first")"
    done
}

# outside_of <first>: which of the identities in $OUT are not among the 65,536 from there on.
outside_of() {
    awk -F/ -v first="$1" '/^cilium\// { seen++; if ($NF < first || $NF > first + 65535) wrong = wrong $NF " " }
        END { print !seen ? "none seen" : wrong ? wrong : "all within " first " and " first + 65535 }' <<<"$OUT"
}
