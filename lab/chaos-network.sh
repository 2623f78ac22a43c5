# shellcheck shell=bash
# chaos-network.sh: what may happen to wires, links and namespaces. Part of ./run-lab.sh chaos; each function does what scenarios.txt says of it.

# on_wire <words...>: for a while, and the wire has done each of them.
on_wire() {
    set_wire clusters "$@"
    sleep $(( PAUSE * 3 ))
    set_wire clusters
    ask_wire clusters
    WIRE_LOSSES=$(losses_of_wire)
    show_output "the wire: $OUT"
    while (( $# )); do
        case $1 in
            loss) wire_has_done lost ;;
            jitter) ;;
            duplicate | reorder | corrupt) wire_has_done "${1%e}ed" ;;
            delay) wire_has_done delayed ;;
        esac
        shift 2
    done
}

# wire_has_done <what>: of $OUT, to a hundred frames at least.
wire_has_done() { expect_that "the wire has $1 frames" "a hundred at least" test "$(jq ".$1" <<<"$OUT")" -ge 100; }

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

# chaos_pod_namespace: with its servers, in which it would live on without a name; they are killed and close nothing. Whoever made the pod would
# make the namespace anew and tell the forwarder; the kubelet starts its server there.
chaos_pod_namespace() {
    local pod=west-webpod-2 pid before
    local -a pids
    show_command machine ip netns del "$LAB_ID-$pod"
    mapfile -t pids < <(ip netns pids "$LAB_ID-$pod")
    before=$(inode_of_namespace "$pod")
    ip netns del "$LAB_ID-$pod"
    for pid in "${pids[@]}"; do { kill -KILL "$pid"; wait "$pid"; } 2>/dev/null || true; done
    sleep "$PAUSE"
    see_cmesh west-worker status
    expect_line "the forwarder knows that the pod's port is down" '^Ports: .*5 up' "5 ports up"
    ip netns add "$LAB_ID-$pod"
    quieten "$pod"
    expect_that "the namespace is another" "not $before" test "$(inode_of_namespace "$pod")" != "$before"
    set_offloads west-worker webpod-2 "$pod" on
    start_echo "$pod"
    expect_that "the kubelet has started its server in it" "port 80 listens" wait_for 20 listens "$pod" 80
}

inode_of_namespace() { stat -c %i "/run/netns/$LAB_ID-$1"; }

# chaos_uplink_removed: in west, whose uplinks belong to the bridge that the node file names.
chaos_uplink_removed() {
    see net ip link del west-worker
    expect_that "the forwarder has made it again" "an interface west-worker on br0" wait_for 10 is_on_bridge west-worker
}

is_on_bridge() { [[ $(ip -n "$LAB_ID-net" -j link show "$1" 2>/dev/null | jq -r '.[0].master') == br0 ]]; }

chaos_host_removed() {
    local before index
    before=$(at east-worker ip route | sort)
    index=$(index_of_interface east-worker eth0)
    show_output "$before"
    see east-worker ip link del eth0
    expect_that "the forwarder has made it again, with its routes" "$before" wait_for 10 has_routes east-worker "$before"
    expect_that "it is another interface" "not number $index" test "$(index_of_interface east-worker eth0)" != "$index"
}

index_of_interface() { ip -n "$LAB_ID-$1" -j link show "$2" | jq '.[0].ifindex'; }

has_routes() { [[ $(at "$1" ip route | sort) == "$2" ]]; }

# chaos_mtu_changes: below what the traffic's records of 1,000 bytes need, at the pod that east's connections go to and at its node's uplink, whose
# bridge drops what is longer and says nothing. What fits goes on through both.
chaos_mtu_changes() {
    local mtu
    for mtu in 1280 576 1500; do
        see west-webpod-1 ip link set eth0 mtu "$mtu"
        expect_longest west-webpod-1 east-webpod-1 "$mtu"
        sleep "$PAUSE"
    done
    # For as long as the datagram that is too long is waited for.
    for mtu in 800 1500; do
        see net ip link set west-worker mtu "$mtu"
        expect_longest east-webpod-1 west-webpod-1 "$mtu"
    done
}

# expect_longest <place> <other place> <MTU>: a datagram of so many bytes goes there and back whole, and one that is longer does not.
expect_longest() {
    see "$1" ping -c 1 -W 1 -M "do" -s $(( $3 - 28 )) "${ADDRESS[$2]}"
    expect "a datagram of $3 bytes goes through" "exit code 0" "exit code $RC"
    see "$1" ping -c 1 -W 1 -M "do" -s $(( $3 - 27 )) "${ADDRESS[$2]}"
    expect "and none of $(( $3 + 1 ))" "exit code 1" "exit code $RC"
}
