# shellcheck shell=bash
# chaos-network.sh: what may happen to wires, links and namespaces. Part of ./run-lab.sh chaos; each function does what scenarios.txt says of it.

# on_wire <words...>: for a while.
on_wire() {
    set_wire clusters "$@"
    sleep $(( PAUSE * 3 ))
    set_wire clusters
}

chaos_wire_loss() { on_wire loss 3; }
chaos_wire_delay() { on_wire delay 20 jitter 10; }
chaos_wire_duplicate() { on_wire duplicate 5; }
chaos_wire_reorder() { on_wire reorder 10; }
chaos_wire_corrupt() { on_wire corrupt 3; }
chaos_wire_all() { on_wire loss 1 delay 10 jitter 5 duplicate 2 reorder 5 corrupt 1; }

# chaos_pod_wire: the pod's interface gets a wire behind it, whose other end is another namespace with the pod's address; east's traffic moves there.
# Its frames are cut and summed up by the forwarder: what is damaged later must be found out.
chaos_pod_wire() {
    local pod=east-curl-pod far=east-curl-far mac route
    set_offloads east-worker curl-pod "$pod" off
    stop steady-east
    add_place "$far"
    start_wire pod "--packet=$pod:eth0" "--tap=$far:eth0"
    mac=$(ip -n "$LAB_ID-$pod" -j link show eth0 | jq -r '.[0].address')
    ip -n "$LAB_ID-$far" link set eth0 address "$mac" up
    ip -n "$LAB_ID-$far" addr add "${ADDRESS[$pod]}/32" dev eth0
    ip -n "$LAB_ID-$pod" route show | tac | while read -r route; do
        # shellcheck disable=SC2086
        ip -n "$LAB_ID-$far" route add $route
    done
    ip -n "$LAB_ID-$pod" addr flush dev eth0
    start_steady east "$far"
    sleep "$PAUSE"
    set_wire pod loss 1 corrupt 1 duplicate 2 reorder 3 delay 2
    sleep $(( PAUSE * 3 ))
    set_wire pod
    sleep "$PAUSE"
    close_window
    ask_wire pod
    WIRE_LOSSES=$(losses_of_wire)
    show_output "the pod's wire: $OUT"
    stop steady-east wire-pod
    ip netns del "$LAB_ID-$far"
    set_offloads east-worker curl-pod "$pod" on
    start_steady east
    expect_that "every byte that arrived is right" "0 wrong" window_holds '.wrong == 0'
    expect_that "no connection is lost by the wire" "none" window_holds '.lost == 0'
    expect_that "every missing datagram was lost by the wire" "at most $WIRE_LOSSES missing" window_holds ".missing <= $WIRE_LOSSES"
}

# flap <place> <interface> <times>
flap() {
    local time
    show_command "$1" ip link set "$2" down, up: "$3 times"
    for (( time = 0; time < $3; time++ )); do
        ip -n "$LAB_ID-$1" link set "$2" down
        sleep 0.1
        ip -n "$LAB_ID-$1" link set "$2" up
        sleep 0.2
    done
}

# chaos_link_flaps: a link that goes down takes the pod's routes away; who brings it up puts them back, as a CNI would.
chaos_link_flaps() {
    local routes
    routes=$(ip -n "$LAB_ID-west-webpod-1" route show)
    flap west-webpod-1 eth0 "$PAUSE"
    restore_routes west-webpod-1 "$routes"
    flap net west-worker "$PAUSE"
    flap net west-cp "$PAUSE"
    flap net east-worker "$PAUSE"
}

# restore_routes <place> <routes>
restore_routes() {
    local route
    while read -r route; do
        # shellcheck disable=SC2086
        ip -n "$LAB_ID-$1" route replace $route
    done < <(tac <<<"$2")
}

# chaos_pod_namespace: with its servers. Whoever made the pod would make the namespace anew and tell the forwarder.
chaos_pod_namespace() {
    local pod=west-webpod-2
    stop "echo-$pod"
    show_command machine ip netns del "$LAB_ID-$pod"
    ip netns del "$LAB_ID-$pod"
    # Its server lives on in a namespace without a name; the kubelet sees it end and starts it in the new one.
    sleep "$PAUSE"
    ip netns add "$LAB_ID-$pod"
    quieten "$pod"
    stop "$pod-nginx"
    set_offloads west-worker webpod-2 "$pod" on
    start_echo "$pod"
    wait_for 20 listens "$pod" 80 || true
}

# chaos_uplink_removed: in west, whose uplinks belong to the bridge that the node file names.
chaos_uplink_removed() {
    see net ip link del west-worker
    expect_that "the forwarder has made it again" "an interface west-worker on br0" wait_for 10 is_on_bridge west-worker
}

is_on_bridge() { [[ $(ip -n "$LAB_ID-net" -j link show "$1" 2>/dev/null | jq -r '.[0].master') == br0 ]]; }

chaos_host_removed() {
    local before
    before=$(at east-worker ip route | sort)
    see east-worker ip link del eth0
    expect_that "the forwarder has made it again, with its routes" "$before" wait_for 10 has_routes east-worker "$before"
}

has_routes() { [[ $(at "$1" ip route | sort) == "$2" ]]; }

chaos_mtu_changes() {
    local mtu
    for mtu in 1280 576 1500; do
        see west-webpod-1 ip link set eth0 mtu "$mtu"
        sleep "$PAUSE"
    done
    for mtu in 1400 1500; do
        see net ip link set west-worker mtu "$mtu"
        sleep "$PAUSE"
    done
}
