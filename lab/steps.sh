# shellcheck shell=bash
# steps.sh: the walk-through, before the clusters are connected and as they are connected (steps 1 to 13).

step_1() {
    heading "Step 1: two clusters of two nodes"
    each_family places_have_addresses
}

places_have_addresses() {
    local place network=16 host=32
    if (( IP == 6 )); then network=64 host=128; fi
    show_command "every node and pod" ip "-$IP" -brief addr show dev eth0 scope global
    show_command "every node and pod" ip "-$IP" route show default
    # A node also has the address that is its pods' router; a pod has its own alone.
    for place in "${NODES[@]}"; do expect_addresses "$place" "${ADDRESS[$place]}/$network $(router_of "$place")/$host" "${ADDRESS[net]}"; done
    for place in "${PODS[@]}"; do expect_addresses "$place" "${ADDRESS[$place]}/$host" "$(router_of "$(node_of "$place")")"; done
}

# expect_addresses <place> <addresses> <gateway>: these and no others, and the gateway that packets leave by.
expect_addresses() {
    local seen
    seen=$(at "$1" ip "-$IP" -brief addr show dev eth0 scope global 2>&1) || true
    expect "$1 has ${2// / and }" "$(words "$2")" "$(words "$(awk '$1 == "eth0" { $1 = $2 = "" } { print }' <<<"$seen")")"
    seen=$(at "$1" ip "-$IP" route show default 2>&1) || true
    expect "$1 leaves by $3" "default via $3 dev eth0" "$(sed -E 's/ metric .*//; s/ +$//' <<<"$seen")"
}

# node_of <pod>: the node whose file lists the pod.
node_of() { basename "$(grep -lF "namespace: \"@LAB@-$1\"" "$ROOT"/lab/nodes/*.yaml)" .yaml; }

# router_of <node>
router_of() {
    local -a routers
    IFS=", '" read -ra routers < <(sed -n 's/^ *routerAddresses: \[\(.*\)\]$/\1/p' "$ROOT/lab/nodes/$1.yaml")
    if (( IP == 4 )); then printf '%s\n' "${routers[0]}"; else printf '%s\n' "${routers[-1]}"; fi
}

step_2() {
    heading "Step 2: how the nodes are configured"
    local node cluster
    local -A id=([west]=1 [east]=2)
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
        expect_line "$node: direct routes to nodes" '^  autoDirectNodeRoutes: true$' "autoDirectNodeRoutes: true"
        each_family node_routes_natively "$node"
    done
}

# node_routes_natively <node>: what $OUT says of it.
node_routes_natively() {
    local own=${CLUSTER_CIDR[${1%%-*}]} other=${CLUSTER_CIDR[${OTHER[${1%%-*}]}]}
    expect_line "$1: native routing CIDR $own" "^  ipv${IP}NativeRoutingCIDR: '?$(literally "$own")'?\$" "ipv${IP}NativeRoutingCIDR: $own"
    expect_line "$1: pods of the other cluster are not masqueraded$OVER" "^    - '?$(literally "$other")'?\$" "nonMasqueradeCIDRs with $other"
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
            /^[^ ]/ || list || $1 ~ /^(cluster|clusterId|mode|ipv[46]NativeRoutingCIDR|autoDirectNodeRoutes):$/ { print }' <<<"$OUT")
    fi
    show_output "$OUT"
}

step_4() {
    heading "Step 4: what is exempt from masquerading"
    local cluster
    local -A link_local=([ipv4]=169.254.0.0/16 [ipv6]=fe80::/10 [dual]='169.254.0.0/16 fe80::/10')
    for cluster in west east; do
        see_cmesh "$cluster-worker" ipmasq list
        expect "$cluster: the other cluster's pods and link-local" \
            "$(words "$(of_all_families CLUSTER_CIDR "${OTHER[$cluster]}" ' ') ${link_local[$FAMILY]}")" "$(prefixes_in "$OUT")"
    done
}

prefixes_in() { words "$(grep -oE '[0-9a-f]+[.:][0-9a-f.:]+/[0-9]+' <<<"$1" || true)"; }

step_5() {
    heading "Step 5: routes before the clusters are connected"
    local node
    for node in "${NODES[@]}"; do
        see_cmesh "$node" route list
        each_family expect_own_routes "$node" "cmesh route list"
        each_family node_has_own_routes "$node"
    done
    each_family clusters_are_apart
}

node_has_own_routes() {
    see "$1" ip "-$IP" route
    expect_own_routes "$1" "ip route"
}

clusters_are_apart() {
    see west-curl-pod ping -c 1 -W 1 "${ADDRESS[east-curl-pod]}"
    expect "west does not reach east's pods$OVER" "exit code 1" "exit code $RC"
    see east-curl-pod ping -c 1 -W 1 "${ADDRESS[west-curl-pod]}"
    expect "east does not reach west's pods$OVER" "exit code 1" "exit code $RC"
}

# expect_own_routes <node> <table>
expect_own_routes() {
    local cluster=${1%%-*} peer
    for peer in "$cluster-control-plane" "$cluster-worker"; do
        [[ $peer == "$1" ]] || expect_route "$1" "$2" "$peer"
    done
    expect_no_line "$1, $2: nothing of the other cluster's pods$OVER" "${POD_CIDRS_LIKE[${OTHER[$cluster]}]}" "no route to pods of ${OTHER[$cluster]}"
}

# expect_route <node> <table> <peer>
expect_route() {
    local via=${ADDRESS[$3]}
    if [[ $MODE == vxlan && $2 == 'cmesh route list' ]]; then
        # Tunnels of both families go between the nodes' addresses of one.
        local -n underlay=ADDRESS_${FAMILIES[0]}
        via=${underlay[$3]}
    fi
    expect_line "$1, $2: ${POD_CIDR[$3]} by $via" \
        "(^|[^0-9a-f.:])$(literally "${POD_CIDR[$3]}") .*$(literally "$via")([^0-9a-f:]|\$)" "a route to ${POD_CIDR[$3]} by $via"
}

step_11() {
    heading "Step 11: routes after the clusters are connected"
    local node
    for node in "${NODES[@]}"; do
        see_cmesh "$node" route list
        each_family expect_other_routes "$node" "cmesh route list"
        each_family node_has_other_routes "$node"
    done
}

node_has_other_routes() {
    see "$1" ip "-$IP" route
    expect_other_routes "$1" "ip route"
}

# expect_other_routes <node> <table>
expect_other_routes() {
    local other=${OTHER[${1%%-*}]} peer
    for peer in "$other-control-plane" "$other-worker"; do expect_route "$1" "$2" "$peer"; done
}

step_12() {
    heading "Step 12: ping from west to east"
    each_family expect_ping west-curl-pod east-curl-pod 62
    each_family expect_ping west-curl-pod west-webpod-1 63
}

step_13() {
    heading "Step 13: ping from east to west"
    each_family expect_ping east-curl-pod west-curl-pod 62
    each_family expect_ping east-curl-pod east-webpod-1 63
}

# expect_ping <from> <to> <ttl>: one hop less for each forwarder on the way.
expect_ping() {
    see "$1" ping -c 1 -W 2 "${ADDRESS[$2]}"
    expect_line "$2 answers $1 with ttl=$3$OVER" "bytes from $(literally "${ADDRESS[$2]}"): icmp_seq=1 ttl=$3 time=" \
        "an answer of ${ADDRESS[$2]} with ttl=$3"
}
