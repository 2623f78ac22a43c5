# shellcheck shell=bash
# steps.sh: the walk-through, before the clusters are connected and as they are connected (steps 1 to 13).

step_1() {
    heading "Step 1: two clusters of two nodes"
    local place
    show_command "every node and pod" ip -4 -brief addr show dev eth0
    show_command "every node and pod" ip route show default
    # A node also has the address that is its pods' router; a pod has its own alone.
    for place in "${NODES[@]}"; do expect_addresses "$place" "${ADDRESS[$place]}/16 $(router_of "$place")/32" 172.18.0.1; done
    for place in "${PODS[@]}"; do expect_addresses "$place" "${ADDRESS[$place]}/32" "$(router_of "$(node_of "$place")")"; done
}

# expect_addresses <place> <addresses> <gateway>: these and no others, and the gateway that packets leave by.
expect_addresses() {
    local seen
    seen=$(at "$1" ip -4 -brief addr show dev eth0 2>&1) || true
    expect "$1 has ${2// / and }" "$2" "$(awk '$1 == "eth0" { $1 = $2 = ""; sub(/^ +/, ""); sub(/ +$/, "") } { print }' <<<"$seen")"
    seen=$(at "$1" ip route show default 2>&1) || true
    expect "$1 leaves by $3" "default via $3 dev eth0" "${seen%"${seen##*[![:blank:]]}"}"
}

# node_of <pod>: the node whose file lists the pod.
node_of() { basename "$(grep -lF "namespace: \"@LAB@-$1\"" "$ROOT"/lab/nodes/*.yaml)" .yaml; }

router_of() { sed -n 's/^ *routerAddresses: \[\(.*\)\]$/\1/p' "$ROOT/lab/nodes/$1.yaml"; }

step_2() {
    heading "Step 2: how the nodes are configured"
    local node cluster
    local -A native=([west]='10\.0\.0\.0/16' [east]='10\.1\.0\.0/16') id=([west]=1 [east]=2)
    for node in "${NODES[@]}"; do
        cluster=${node%%-*}
        see_settings "$node"
        expect_line "$node: cluster $cluster" "^  cluster: $cluster\$" "cluster: $cluster"
        expect_line "$node: cluster id ${id[$cluster]}" "^  clusterId: ${id[$cluster]}\$" "clusterId: ${id[$cluster]}"
        if [[ $MODE == native ]]; then
            expect_line "$node: native routing" '^  mode: native$' "mode: native"
        else
            expect_line "$node: routing through tunnels" '^  mode: tunnel$' "mode: tunnel"
        fi
        expect_line "$node: native routing CIDR ${native[$cluster]//\\/}" "^  ipv4NativeRoutingCIDR: ${native[$cluster]}\$" \
            "ipv4NativeRoutingCIDR: ${native[$cluster]//\\/}"
        expect_line "$node: direct routes to nodes" '^  autoDirectNodeRoutes: true$' "autoDirectNodeRoutes: true"
        expect_line "$node: pods of the other cluster are not masqueraded" "^    - ${native[${OTHER[$cluster]}]}\$" \
            "nonMasqueradeCIDRs with ${native[${OTHER[$cluster]}]//\\/}"
    done
}

# see_settings <node>: of the node's configuration the settings that the checks are about.
see_settings() {
    show_command "$1" cmesh config view
    RC=0
    OUT=$(cmesh_on "$1" config view 2>&1) || RC=$?
    if (( RC == 0 )); then
        OUT=$(awk '
            /^[^ ]/ { section = $1; list = 0 }
            section !~ /^(node|routing|masquerade):$/ { next }
            /^  [^ ]/ { list = $1 == "nonMasqueradeCIDRs:" }
            /^[^ ]/ || list || $1 ~ /^(cluster|clusterId|mode|ipv4NativeRoutingCIDR|autoDirectNodeRoutes):$/ { print }' <<<"$OUT")
    fi
    show_output "$OUT"
}

step_4() {
    heading "Step 4: what is exempt from masquerading"
    see_cmesh west-worker ipmasq list
    expect "west: the other cluster's pods and link-local" "10.1.0.0/16 169.254.0.0/16" "$(prefixes_in "$OUT")"
    see_cmesh east-worker ipmasq list
    expect "east: the mirror of it" "10.0.0.0/16 169.254.0.0/16" "$(prefixes_in "$OUT")"
}

prefixes_in() { words "$(grep -oE '[0-9]+(\.[0-9]+){3}/[0-9]+' <<<"$1" || true)"; }

# Pod CIDRs of each cluster's nodes and how the others reach them.
declare -A POD_CIDR=([west-control-plane]=10.0.0.0/24 [west-worker]=10.0.1.0/24 [east-control-plane]=10.1.0.0/24 [east-worker]=10.1.1.0/24)
declare -A POD_CIDRS_LIKE=([west]='(^|[^0-9.])10\.0\.[01]\.0/24' [east]='(^|[^0-9.])10\.1\.[01]\.0/24')

step_5() {
    heading "Step 5: routes before the clusters are connected"
    local node
    for node in "${NODES[@]}"; do
        see_cmesh "$node" route list
        expect_own_routes "$node" "cmesh route list"
        see "$node" ip route
        expect_own_routes "$node" "ip route"
    done
    see west-curl-pod ping -c 1 -W 1 "${ADDRESS[east-curl-pod]}"
    expect "west does not reach east's pods" "exit code 1" "exit code $RC"
    see east-curl-pod ping -c 1 -W 1 "${ADDRESS[west-curl-pod]}"
    expect "east does not reach west's pods" "exit code 1" "exit code $RC"
}

# expect_own_routes <node> <table>
expect_own_routes() {
    local cluster=${1%%-*} peer
    for peer in "$cluster-control-plane" "$cluster-worker"; do
        [[ $peer == "$1" ]] || expect_route "$1" "$2" "$peer"
    done
    expect_no_line "$1, $2: nothing of the other cluster's pods" "${POD_CIDRS_LIKE[${OTHER[$cluster]}]}" "no route to pods of ${OTHER[$cluster]}"
}

# expect_route <node> <table> <peer>
expect_route() {
    expect_line "$1, $2: ${POD_CIDR[$3]} by ${ADDRESS[$3]}" \
        "(^|[^0-9.])${POD_CIDR[$3]//./\\.} .*${ADDRESS[$3]//./\\.}([^0-9]|\$)" "a route to ${POD_CIDR[$3]} by ${ADDRESS[$3]}"
}

step_11() {
    heading "Step 11: routes after the clusters are connected"
    local node peer other
    for node in "${NODES[@]}"; do
        other=${OTHER[${node%%-*}]}
        see_cmesh "$node" route list
        for peer in "$other-control-plane" "$other-worker"; do expect_route "$node" "cmesh route list" "$peer"; done
        see "$node" ip route
        for peer in "$other-control-plane" "$other-worker"; do expect_route "$node" "ip route" "$peer"; done
    done
}

step_12() {
    heading "Step 12: ping from west to east"
    expect_ping west-curl-pod east-curl-pod 62
    expect_ping west-curl-pod west-webpod-1 63
}

step_13() {
    heading "Step 13: ping from east to west"
    expect_ping east-curl-pod west-curl-pod 62
    expect_ping east-curl-pod east-webpod-1 63
}

# expect_ping <from> <to> <ttl>: one hop less for each forwarder on the way.
expect_ping() {
    see "$1" ping -c 1 -W 2 "${ADDRESS[$2]}"
    expect_line "$2 answers $1 with ttl=$3" "bytes from ${ADDRESS[$2]//./\\.}: icmp_seq=1 ttl=$3 time=" \
        "an answer of ${ADDRESS[$2]} with ttl=$3"
}
