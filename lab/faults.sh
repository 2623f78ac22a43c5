# shellcheck shell=bash
# faults.sh: what the mesh does under traffic when clusters are joined and taken apart, when parts of it are killed, and when they cannot reach
# each other. Run as ./run-lab.sh faults [--short], in a world of its own.

FAULTS=(connect_and_disconnect propagation etcd_killed etcd_replaced agent_killed forwarder_killed partition)
CHOSEN=("${FAULTS[@]}")

is_chosen() { [[ " ${CHOSEN[*]} " == *" $1 "* ]]; }

# faults <short or full>
faults() {
    local cluster
    for cluster in west east; do
        do_mesh apply -f "lab/faults/$cluster.yaml" --context "$cluster"
        deploy "$cluster"
    done
    enable_mesh
    wait_for_mesh
    if is_chosen connect_and_disconnect; then connect_and_disconnect; fi
    do_mesh clustermesh connect --context west --destination-context east
    wait_for_mesh
    # Apart for long enough that both sides notice, or for longer than a lease.
    local changes=200 away=$(( LEASE_SECONDS + 10 )) apart=$(( LEASE_SECONDS + 10 ))
    if [[ $1 == short ]]; then changes=40 away=3 apart=30; fi
    if is_chosen propagation; then propagation "$changes"; fi
    if is_chosen etcd_killed; then etcd_killed; fi
    if is_chosen etcd_replaced; then etcd_replaced "$away"; fi
    if is_chosen agent_killed; then agent_killed; fi
    if is_chosen forwarder_killed; then forwarder_killed; fi
    if is_chosen partition; then partition "$apart"; fi
}

# start_pings <name> <place> <address>: a hundred a second, until finish_pings.
start_pings() {
    show_command "$2" ping -i 0.01 "$3"
    show_output "(until it is said)"
    rm -f "$STATE/log/pings-$1.log"
    start "pings-$1" "$2" ping -i 0.01 -W 2 "$3"
}

# finish_pings <name> <what>: none is missing among those that were answered; the last may still be on its way.
finish_pings() {
    signal INT "pings-$1"
    wait_for 5 is_gone "pings-$1" || true
    stop "pings-$1"
    OUT=$(sed -n 's/.* icmp_seq=\([0-9]*\) .*/\1/p' "$STATE/log/pings-$1.log" | awk '
        $1 < 1 + last { next }
        { lost += $1 - last - 1; last = $1; answered++ }
        END { printf "%d answered, %d lost\n", answered, lost }')
    show_output "$OUT"
    expect_line "$2" '^[1-9][0-9]* answered, 0 lost$' "every one answered"
}

# what_all_know: nodes, routes and services of each node's forwarder, and the nodes' own routes, without numbers that count.
what_all_know() {
    local node
    for node in "${NODES[@]}"; do
        printf '== %s\n' "$node"
        cmesh_on "$node" node list
        cmesh_on "$node" route list
        cmesh_on "$node" service list --clustermesh-affinity | sed -E 's/^[0-9]+ +//; s/^ +//; s/^[0-9]+ =>/=>/; s/ +[0-9]+ =>/ =>/' | sort
        at "$node" ip route
    done 2>&1
}

start_local_traffic() {
    local cluster
    for cluster in west east; do
        start_requests "local-$cluster" "$cluster-curl-pod" "http://$(local_vip "$cluster")/"
        start_pings "near-$cluster" "$cluster-curl-pod" "${ADDRESS[$cluster-webpod-1]}"
        start_pings "node-$cluster" "$cluster-curl-pod" "${ADDRESS[$cluster-coredns]}"
    done
}

local_vip() { if [[ $1 == west ]]; then echo 10.2.99.1; else echo 10.3.99.1; fi; }

finish_local_traffic() {
    local cluster
    for cluster in west east; do
        finish_requests "local-$cluster" "$cluster's own service"
        finish_pings "near-$cluster" "$cluster: no ping within the node is lost"
        finish_pings "node-$cluster" "$cluster: no ping to the other node is lost"
    done
}

connect_and_disconnect() {
    heading "Faults: clusters are connected and disconnected under traffic"
    local before after cluster
    before=$(what_all_know)
    start_local_traffic
    do_mesh clustermesh connect --context west --destination-context east
    wait_for_mesh
    for cluster in west east; do expect_backends "$cluster-worker" "$ALL_WEBPODS"; done
    expect_ping west-curl-pod east-curl-pod 62
    see_mesh clustermesh disconnect --context west --destination-context east
    expect_line "both are told" '^✅ Disconnected clusters west and east\.$' "disconnected"
    wait_for 10 knows_as_before "$before" || true
    after=$(what_all_know)
    expect "the other cluster's routes and backends are gone, and nothing else" "as before" "$(diff <(cat <<<"$before") <(cat <<<"$after") >"$STATE/difference" && echo 'as before' || cat "$STATE/difference")"
    see west-curl-pod ping -c 1 -W 1 "${ADDRESS[east-curl-pod]}"
    expect "west does not reach east's pods" "exit code 1" "exit code $RC"
    finish_local_traffic
}

knows_as_before() { [[ $(what_all_know) == "$1" ]]; }

# start_traffic: what has to go on whatever happens to etcds and agents: within the clusters and between them.
start_traffic() {
    local cluster
    for cluster in west east; do start_requests "$cluster" "$cluster-curl-pod" "http://${VIP[$cluster]}/"; done
    start_pings across west-curl-pod "${ADDRESS[east-curl-pod]}"
}

finish_traffic() {
    local cluster
    for cluster in west east; do finish_requests "$cluster" "$cluster, over both clusters' backends"; done
    finish_pings across "no ping from cluster to cluster is lost"
}

# expect_change_arrives <cluster> <seconds>: a change in the cluster reaches the other one's forwarders, and is taken back.
expect_change_arrives() {
    local other=${OTHER[$1]}
    do_mesh annotate service webpod service.cilium.io/shared=false --overwrite --context "$1"
    expect_that "a change in $1 arrives in $other" "only $other's own backends" wait_for "$2" lists_backends "$other-worker" "${WEBPODS_OF[$other]}"
    do_mesh annotate service webpod service.cilium.io/shared- --context "$1"
    expect_that "and the next one" "all four backends" wait_for "$2" lists_backends "$other-worker" "$ALL_WEBPODS"
}

etcd_killed() {
    heading "Faults: SIGKILL to the etcd that others read"
    local pid
    pid=$(pid_of west-clustermesh-apiserver-etcd)
    start_traffic
    show_command machine kill -KILL "$pid"
    signal KILL west-clustermesh-apiserver-etcd
    expect_that "its kubelet starts it again" "another process" wait_for 10 is_another west-clustermesh-apiserver-etcd "$pid"
    expect_backends east-worker "$ALL_WEBPODS"
    wait_for_mesh
    expect_change_arrives west 20
    finish_traffic
}

# is_another <process> <pid>
is_another() {
    local now
    now=$(pid_of "$1") && [[ $now != "$2" ]]
}

# etcd_replaced <seconds>
etcd_replaced() {
    heading "Faults: the etcd that others read goes for $1 s, and comes back empty, as another one"
    local before
    before=$(etcd_id_of west)
    start_traffic
    do_mesh scale deployment kube-system/clustermesh-apiserver --replicas 0 --context west
    wait_for 20 pods_are_ready west kube-system clustermesh-apiserver 0 || true
    pause "$1" "the etcd is away"
    see_mesh clustermesh status --context east
    expect_line "east says what is wrong" '❌ east-worker is not connected to cluster west: .+' "a sentence"
    see_mesh clustermesh status --context west
    expect_line "and so does west" '❌ Deployment clustermesh-apiserver is not ready: .+' "a sentence"
    expect_backends east-worker "$ALL_WEBPODS"
    do_mesh scale deployment kube-system/clustermesh-apiserver --replicas 1 --context west
    wait_for 20 pods_are_ready west kube-system clustermesh-apiserver 1 || true
    wait_for_mesh
    expect_that "it is another etcd" "another id than $before" test "$(etcd_id_of west)" != "$before"
    expect_change_arrives west 20
    finish_traffic
}

# etcd_id_of <cluster>: of its etcd for others, as the other cluster's agent sees it.
etcd_id_of() { cmesh_on "${OTHER[$1]}-worker" status --verbose | sed -n 's/.*endpoint status checks are disabled, ID: \([0-9a-f]*\)$/\1/p'; }

# pause <seconds> <what>
pause() {
    local second
    for (( second = 0; second < $1; second++ )); do
        if [[ -t 1 ]] || (( second % 10 == 0 )); then progress "$2, $second of $1 s"; fi
        sleep 1
    done
}

# end_agent <node>: without a chance to say goodbye.
end_agent() {
    local pid
    pid=$(pid_of "$1-agent") || die 1 "the agent of $1 was dead before: $(log_tail "$1-agent")"
    show_command machine kill -KILL "$pid"
    signal KILL "$1-agent"
    wait_for 5 is_gone "$1-agent" || true
    { wait "$pid" || true; } 2>/dev/null
    rm -f "$STATE/pid/$1-agent"
}

agent_killed() {
    heading "Faults: SIGKILL to an agent while it reads the other cluster, again and again"
    local tenths
    start_traffic
    for tenths in 2 4 6 8; do
        end_agent west-worker
        start west-worker-agent west-worker "$AGENT" --config "$STATE/agents/west-worker.yaml"
        sleep "0.$tenths"
    done
    end_agent west-worker
    start_agents west-worker
    # Until the lease of the one that led has expired, nobody publishes.
    wait_for_mesh
    expect_backends west-worker "$ALL_WEBPODS"
    expect_change_arrives west 20
    expect_change_arrives east 20
    finish_traffic
}

forwarder_killed() {
    heading "Faults: SIGKILL to the forwarder of the node with the etcd that others read"
    start_requests east east-curl-pod "http://$(local_vip east)/"
    start_pings node-east east-curl-pod "${ADDRESS[east-coredns]}"
    end_forwarder KILL west-worker
    start_forwarders west-worker
    expect_that "its agent has told it everything again" "the other cluster's nodes" wait_for 10 knows_other_cluster west-worker
    expect_backends west-worker "$ALL_WEBPODS"
    expect_ping west-curl-pod east-curl-pod 62
    expect_answering west "all four answer" "$ALL_WEBPODS"
    expect_ping east-curl-pod west-webpod-1 62
    finish_requests east "east's own service"
    finish_pings node-east "no ping within east is lost"
    # What the etcd's clients had open was cut; they notice at their next keep-alive.
    expect_change_arrives west 40
    wait_for_mesh
}

# split_network: east's nodes get a bridge of their own, so that one link is all that lies between the clusters.
split_network() {
    ip -n "$LAB_ID-net" -batch - <<END
link add br1 type bridge stp_state 0 forward_delay 0
link add trunk0 type veth peer name trunk1
link set trunk0 master br0 up
link set trunk1 master br1 up
link set br1 up
link set east-cp master br1
link set east-worker master br1
END
}

# partition <seconds>
partition() {
    heading "Faults: the clusters cannot reach each other for $1 s"
    local cluster
    split_network
    for cluster in west east; do annotate "$cluster" service.cilium.io/affinity=local; done
    for cluster in west east; do expect_preferred "$cluster-worker" "${WEBPODS_OF[$cluster]}"; done
    for cluster in west east; do
        start_requests "$cluster" "$cluster-curl-pod" "http://${VIP[$cluster]}/"
        start_pings "node-$cluster" "$cluster-curl-pod" "${ADDRESS[$cluster-coredns]}"
    done
    see net ip link set trunk0 down
    see west-curl-pod ping -c 1 -W 1 "${ADDRESS[east-curl-pod]}"
    expect "west does not reach east's pods" "exit code 1" "exit code $RC"
    scale east 1
    pause "$1" "the clusters are apart"
    see_mesh clustermesh status --context west
    expect_line "the status says so" '❌ west-worker is not connected to cluster east: .+' "a sentence"
    expect_backends west-worker "$ALL_WEBPODS"
    see net ip link set trunk0 up
    wait_for_mesh
    expect_backends west-worker "$WEST_WEBPODS ${ADDRESS[east-webpod-1]}"
    scale east 2
    expect_backends west-worker "$ALL_WEBPODS"
    for cluster in west east; do
        finish_requests "$cluster" "$cluster, which prefers its own"
        finish_pings "node-$cluster" "$cluster: no ping within the cluster is lost"
        annotate "$cluster" service.cilium.io/affinity-
    done
    for cluster in west east; do expect_preferred "$cluster-worker" ''; done
    expect_ping west-curl-pod east-curl-pod 62
    expect_answering west "all four answer again" "$ALL_WEBPODS"
}
