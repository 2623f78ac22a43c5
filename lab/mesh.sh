# shellcheck shell=bash
# mesh.sh: the control plane of a world: for each cluster an etcd for its own objects, an agent on each node, and a kubelet that starts what
# deployments want. The agents tell the forwarders what to do; nothing here does.

# How long other clusters see what an agent has published after it has gone; shorter where that is looked at.
LEASE_SECONDS=${LEASE_SECONDS:-900}

is_meshed() { [[ -e $STATE/meshed ]]; }

# see_mesh <arguments...>: cmesh, told by --context which cluster is meant.
see_mesh() {
    show_command machine cmesh "$@"
    RC=0
    OUT=$(timeout --foreground 90 "$CMESH" "$@" 2>&1) || RC=$?
    show_output "$OUT"
}

# do_mesh <arguments...>: the same where a refusal ends all.
do_mesh() {
    see_mesh "$@"
    (( RC == 0 )) || die 1 "cmesh $* failed: $OUT"
}

# start_control_plane: everything up to clusters that have their nodes and their DNS, and know nothing of each other.
start_control_plane() {
    local cluster node
    mkdir -p "$STATE"/{etcd,agents,clustermesh,pki,kubelet}
    progress "etcd, agents and kubelets"
    for cluster in west east; do
        write_etcd_clients "$cluster"
        start_store "$cluster"
    done
    for cluster in west east; do
        wait_for 10 listens "$cluster-control-plane" 2379 || die 1 "the etcd of $cluster does not listen: $(log_tail "$cluster-etcd")"
    done
    start_agents "${NODES[@]}"
    for cluster in west east; do start_kubelet "$cluster"; done
    for cluster in west east; do
        OUT=$("$CMESH" apply --context "$cluster" -f "$STATE/manifests/$cluster/kube-system.yaml" 2>&1) || die 1 "kube-system of $cluster: $OUT"
    done
    for cluster in west east; do
        wait_for 20 pods_are_ready "$cluster" kube-system coredns 1 || die 1 "the DNS of $cluster does not run: $(log_tail "kubelet-$cluster")"
        for node in "$cluster-control-plane" "$cluster-worker"; do
            wait_for 20 knows_own_nodes "$node" || die 1 "the agent of $node has not told its forwarder of the other node: $(log_tail "$node-agent")"
        done
    done
}

# log_tail <process>: its last lines.
log_tail() { printf '\n'; tail -n 15 "$STATE/log/$1.log" 2>/dev/null | sed 's/^/        | /'; }

# write_etcd_clients <cluster>: how the cluster's agents reach its own etcd, and the one that other clusters read.
write_etcd_clients() {
    printf 'endpoints: ["http://%s:2379"]\n' "$(host "${ADDRESS[$1-control-plane]}")" >"$STATE/etcd/$1.yaml"
    cat >"$STATE/etcd/$1-clustermesh.yaml" <<END
endpoints: ["https://clustermesh-apiserver.kube-system.svc:2379"]
host-aliases: {clustermesh-apiserver.kube-system.svc: "${MESH_VIP[$1]}"}
trusted-ca-file: $STATE/pki/$1/ca.crt
cert-file: $STATE/pki/$1/admin.crt
key-file: $STATE/pki/$1/admin.key
END
}

# start_store <cluster>: its own objects, on its control-plane node.
start_store() {
    start "$1-etcd" "$1-control-plane" etcd --name "$1" --data-dir "$STATE/etcd/$1" --logger zap --log-level warn \
        --listen-client-urls "http://$(any_address):2379" --advertise-client-urls "http://$(host "${ADDRESS[$1-control-plane]}"):2379" \
        --listen-peer-urls http://127.0.0.1:2380 --initial-advertise-peer-urls http://127.0.0.1:2380 --initial-cluster "$1=http://127.0.0.1:2380"
}

# any_address: what a server listens on to be reached in each family of the world.
any_address() { if has_ipv6; then printf '[::]\n'; else printf '0.0.0.0\n'; fi; }

# start_mesh_etcd <cluster>: in the pod clustermesh-apiserver; only who has a certificate of the mesh's CA may ask.
# With the token a pod that begins empty is another etcd, which whoever reads it must notice.
start_mesh_etcd() {
    local place=$1-clustermesh-apiserver pki=$STATE/pki/$1
    start "$place-etcd" "$place" etcd --name clustermesh-apiserver --data-dir "$STATE/servers/$place" --logger zap --log-level warn \
        --listen-client-urls "https://$(any_address):2379" --advertise-client-urls "https://$(host "${ADDRESS[$place]}"):2379" \
        --cert-file "$pki/server.crt" --key-file "$pki/server.key" --client-cert-auth --trusted-ca-file "$pki/ca.crt" \
        --listen-peer-urls http://127.0.0.1:2380 --initial-advertise-peer-urls http://127.0.0.1:2380 \
        --initial-cluster clustermesh-apiserver=http://127.0.0.1:2380 --initial-cluster-token "$(random_id)" --auto-compaction-retention 1
}

# start_agents <node...>: all at once, then wait for each.
start_agents() {
    local node
    for node; do
        mkdir -p "$STATE/clustermesh/$node"
        of_family "$ROOT/lab/agents/$node.yaml" | sed -e "s|@STATE@|$STATE|; s|@SOCKETS@|$(socket_directory "$node")|; s|@LEASE@|$LEASE_SECONDS|" \
            -e "s|@ENDPOINT@|$(host "${ADDRESS[${node%%-*}-control-plane]}"):32379|" >"$STATE/agents/$node.yaml"
        rm -f "$(socket_directory "$node")/agent.sock"
        start "$node-agent" "$node" "$AGENT" --config "$STATE/agents/$node.yaml"
    done
    for node; do
        wait_for 20 agent_answers_or_is_dead "$node" || die 1 "the agent of $node does not answer after 20 s: $(log_tail "$node-agent")"
        is_gone "$node-agent" && die 1 "the agent of $node ended: $(log_tail "$node-agent")"
    done
    return 0
}

agent_answers_or_is_dead() { is_gone "$1-agent" || [[ -S $(socket_directory "$1")/agent.sock ]]; }

start_kubelet() {
    : >"$STATE/log/objects-$1.log"
    start "objects-$1" "$1-control-plane" etcdctl --endpoints "http://$(host "${ADDRESS[$1-control-plane]}"):2379" watch --prefix cmesh/objects/v1/
    start "kubelet-$1" - bash "$ROOT/lab/kubelet.sh" "$LAB_ID" "$1"
}

# pods_are_ready <cluster> <namespace> <name> <count>: so many pods of the deployment run, no more and no fewer.
pods_are_ready() { [[ $(ready_pods "$@") == "$4/$4" ]]; }

# ready_pods <cluster> <namespace> <deployment>: 2/2.
ready_pods() { "$CMESH" get deployments "$3" -n "$2" --context "$1" 2>/dev/null | awk 'NR == 2 { print $2 }'; }

knows_own_nodes() {
    local count
    count=$(json "$1" "[.[] | select(.cluster == \"${1%%-*}\")] | length" node list 2>/dev/null) && (( count >= 1 ))
}

# enable_mesh: the second cluster takes over the first one's CA.
enable_mesh() {
    do_mesh clustermesh enable --context west
    do_mesh clustermesh enable --context east --ca-from west
}

connect_mesh() {
    do_mesh clustermesh connect --context west --destination-context east
    wait_for_mesh
}

wait_for_mesh() {
    local cluster
    for cluster in west east; do
        progress "waiting for $cluster to be connected"
        do_mesh clustermesh status --context "$cluster" --wait --wait-duration 60
    done
}

# deploy <cluster>: the workload, and waits for its pods.
deploy() {
    do_mesh apply --context "$1" -f "$STATE/manifests/$1/webpod.yaml"
    progress "waiting for the webpods of $1"
    wait_for 20 pods_are_ready "$1" default webpod 2 || die 1 "the webpods of $1 do not run: $(log_tail "kubelet-$1")"
}

# scale <cluster> <replicas>: waits until the pods follow.
scale() {
    do_mesh scale deployment webpod --replicas "$2" --context "$1"
    progress "waiting for $2 webpods in $1"
    wait_for 20 pods_are_ready "$1" default webpod "$2" || fail "webpod has $2 pods in $1" "$2/$2" "$(ready_pods "$1" default webpod)"
}
