# shellcheck shell=bash
# world.sh: makes a world of namespaces and takes it away again.
#
#                    namespace net: bridge br0, 172.18.0.1/16
#        ┌───────────────┬──────┴───────┬───────────────┬──────────────┐
#     west-cp       west-worker      east-cp       east-worker        out0      uplink TAPs in net (out0: a veth)
#        ║               ║              ║               ║              │
#    forwarder       forwarder      forwarder       forwarder          │        one process a node
#     ║     ║        ║   ║ ║ ║       ║     ║        ║   ║ ║ ║          │
#    eth0  eth0     eth0 eth0 ...   eth0  eth0     eth0 eth0 ...      eth0      TAPs; each in a namespace of its own:
#    node  coredns  node curl-pod   node  coredns  node curl-pod     outside    the node's host stack and its pods
#    .0.4           .0.5 webpod-1   .0.3           .0.2 webpod-1   172.18.0.100
#                        webpod-2                       webpod-2
#                        clustermesh-apiserver          clustermesh-apiserver
#
# Every namespace's name begins with the id of the run, so that worlds stand side by side. The forwarders make the TAPs with their
# addresses and routes; the lab makes namespaces, bridge and outside host, and starts processes.

NODES=(west-control-plane west-worker east-control-plane east-worker)
PODS=(west-curl-pod west-webpod-1 west-webpod-2 west-coredns west-clustermesh-apiserver east-curl-pod east-webpod-1 east-webpod-2 east-coredns east-clustermesh-apiserver)
PLACES=(net "${NODES[@]}" "${PODS[@]}" outside)

declare -A OTHER=([west]=east [east]=west)

# choose_world <id>: everything of a world hangs on its id.
choose_world() {
    LAB_ID=$1
    [[ $LAB_ID =~ ^[a-z0-9]{1,16}$ ]] || die 2 "an id is 1 to 16 small letters and digits, not '$LAB_ID'"
    STATE=/run/cmesh-lab-$LAB_ID
    # Memory: what forwarders keep for those that come after them.
    KEPT=/dev/shm/cmesh-lab-$LAB_ID
    export CMESH_RUN_DIR=/run/cmesh-$LAB_ID
    if [[ $LAB_ID == lab ]]; then CMESH_RUN_DIR=/run/cmesh; fi
    # One that another command made may have other places, such as a benchmark's.
    if [[ -s $STATE/places ]]; then mapfile -t PLACES <"$STATE/places"; fi
    if [[ -s $STATE/mode ]]; then MODE=$(<"$STATE/mode"); fi
    if [[ -s $STATE/family ]]; then FAMILY=$(<"$STATE/family"); fi
    choose_family "$FAMILY"
}

random_id() { tr -d - </proc/sys/kernel/random/uuid | cut -c1-6 | sed 's/^/t/'; }

is_place() { [[ " ${PLACES[*]} " == *" $1 "* ]]; }

# at <place> <command...>
at() {
    local place=$1; shift
    ip netns exec "$LAB_ID-$place" "$@"
}

is_up() { [[ -e $STATE/ready ]]; }

need_up() { is_up || die 2 "the world '$LAB_ID' is not up: ./run-lab.sh up"; }

# claim: from here on the world is ours to take away. Signals wait for the lines to be done together.
claim() {
    trap '' INT TERM HUP
    if mkdir "$STATE" 2>/dev/null; then
        CLAIMED=1
        start_time $$ && printf '%s %s\n' $$ "$START_TIME" >"$STATE/owner"
    fi
    trap_signals
    [[ ${CLAIMED:-} ]] || refuse_world
    mkdir "$STATE"/{pid,log,nodes,servers}
    printf '%s\n' "${PLACES[@]}" >"$STATE/places"
    printf '%s\n' "$MODE" >"$STATE/mode"
    printf '%s\n' "$FAMILY" >"$STATE/family"
    printf '%s\n' "$ROOT" >"$STATE/checkout"
}

# refuse_world: somebody else has it.
refuse_world() {
    local owner
    owner=$(owner_of_world) && die 1 "the world '$LAB_ID' is at work under process $owner; wait for it, or give yours another id: CMESH_LAB_ID=..."
    is_up && die 1 "the world '$LAB_ID' is up already, from $(cat "$STATE/checkout"); ./run-lab.sh down takes it away"
    die 1 "$STATE exists: a world '$LAB_ID' is half there; ./run-lab.sh down takes it away"
}

# owner_of_world: the process that is bringing the world up, or lives as long as it; fails when there is none. Who has just made the directory
# has not said yet who it is.
owner_of_world() {
    local pid started
    [[ -d $STATE ]] && wait_for 1 test -s "$STATE/owner" || return 1
    { read -r pid started <"$STATE/owner"; } 2>/dev/null || return 1
    start_time "$pid" && [[ $START_TIME == "$started" ]] || return 1
    printf '%s\n' "$pid"
}

trap_signals() {
    trap 'exit 130' INT
    trap 'exit 143' TERM
    trap 'exit 129' HUP
}

# leave: the EXIT trap. What we claimed goes away with us, whatever happened.
leave() {
    local code=$? interrupted=''
    trap '' INT TERM HUP
    trap - EXIT
    case $code in
        0) ;;
        129 | 130 | 143)
            interrupted=1
            complain "interrupted"
            ;;
        *)
            # Without a world of ours the sentence that was said is all.
            if [[ ${CLAIMED:-} ]]; then
                complain "could not go on (exit code $code)"
                show_dead_forwarders
            fi
            ;;
    esac
    clean_up || code=1
    # A run that could not go on says so in its figures too; one that was interrupted has no figures to rely on.
    if [[ ${SUMMARY_DUE:-} && $interrupted ]]; then
        show_failures
        printf '\ninterrupted after %d passed, %d failed\n' "$PASSED" "$FAILED"
    elif [[ ${SUMMARY_DUE:-} ]]; then
        count_failure "could not go on (exit code $code)"
        summary || code=$(( code ? code : 1 ))
    fi
    exit "$code"
}

# clean_up: takes away what we claimed, once.
clean_up() {
    [[ ${CLAIMED:-} ]] || return 0
    progress "cleaning up"
    world_down
    CLAIMED=''
    clear_progress
}

# world_up [mesh]: with agents, or with forwarders that know what their node files say.
world_up() {
    [[ -c /dev/net/tun ]] || die 2 "/dev/net/tun is missing: this kernel or container offers no TAP devices"
    claim
    if [[ ${1:-} == mesh ]]; then : >"$STATE/meshed"; fi
    write_manifests
    progress "network '$LAB_ID': namespaces, bridge, outside host"
    make_namespaces
    make_network
    write_resolvers
    progress "servers"
    start_servers
    start_forwarders "${NODES[@]}"
    if is_meshed; then start_control_plane; fi
    : >"$STATE/ready"
    clear_progress
}

make_namespaces() {
    printf "netns add $LAB_ID-%s\n" "${PLACES[@]}" | ip -batch -
    local place
    for place in "${PLACES[@]}"; do quieten "$place"; done
}

# Settings of one namespace. Where the world has no IPv6, its own packets would only blur captures and counters; where it has, addresses are
# there at once, without duplicate address detection. Nobody forwards but the forwarders: the node network's gateway must not carry what a
# forwarder failed to. Pods get ports enough for 100,000 short connections; nodes do not: theirs and those of masqueraded flows lie on one address.
quieten() {
    local -a settings=(net.ipv4.ip_forward=0)
    if has_ipv6; then
        settings+=(net.ipv6.conf.all.forwarding=0 net.ipv6.conf.default.accept_dad=0)
    else
        settings+=(net.ipv6.conf.all.disable_ipv6=1 net.ipv6.conf.default.disable_ipv6=1)
    fi
    if [[ " ${PODS[*]} " == *" $1 "* ]]; then settings+=(net.ipv4.ip_local_port_range='1024 65535' net.ipv4.ip_local_reserved_ports="$FRESH_PORTS" net.ipv4.tcp_tw_reuse=1); fi
    at "$1" sysctl -qw "${settings[@]}"
    ip -n "$LAB_ID-$1" link set lo up
}

# add_place <place>: one that comes while the world is up, and goes with it at the latest.
add_place() {
    if ! is_place "$1"; then
        PLACES+=("$1")
        printf '%s\n' "${PLACES[@]}" >"$STATE/places"
    fi
    ip netns add "$LAB_ID-$1"
    quieten "$1"
}

make_network() {
    ip -n "$LAB_ID-net" -batch - <<END
link add br0 type bridge stp_state 0 forward_delay 0
link set br0 up
link add out0 type veth peer name eth0 netns $LAB_ID-outside
link set out0 master br0 up
END
    ip -n "$LAB_ID-outside" link set eth0 up
    each_family address_network
}

address_network() {
    local length=16
    if (( IP == 6 )); then length=64; fi
    ip -n "$LAB_ID-net" addr add "${ADDRESS[net]}/$length" dev br0
    ip -n "$LAB_ID-outside" addr add "${ADDRESS[outside]}/$length" dev eth0
    ip -n "$LAB_ID-outside" route add default via "${ADDRESS[net]}"
}

# ip-netns(8) puts /etc/netns/<namespace>/resolv.conf in the place of /etc/resolv.conf.
write_resolvers() {
    local pod cluster
    for pod in "${PODS[@]}"; do
        cluster=${pod%%-*}
        # Twice: another world going down may take an empty /etc/netns away between the two directories.
        mkdir -p "/etc/netns/$LAB_ID-$pod" || mkdir -p "/etc/netns/$LAB_ID-$pod"
        cat >"/etc/netns/$LAB_ID-$pod/resolv.conf" <<END
nameserver $(of_all_families DNS "$cluster" $'\nnameserver ')
search default.svc.cluster.local svc.cluster.local cluster.local
options ndots:5
END
    done
}

# world_down: also after a crash, from whatever is there. Only names of this id, only processes of its records.
world_down() {
    stop_all
    warn_of_strangers
    local place
    for place in "${PLACES[@]}"; do
        # Another down may be at it, too.
        if [[ -e /run/netns/$LAB_ID-$place ]]; then ip netns del "$LAB_ID-$place" || [[ ! -e /run/netns/$LAB_ID-$place ]]; fi
        rm -rf "/etc/netns/${LAB_ID:?}-$place"
    done
    if [[ -d /etc/netns ]]; then rmdir --ignore-fail-on-non-empty /etc/netns || true; fi
    unmount_all
    remove_groups
    rm -rf "$KEPT"
    local node
    for node in "${NODES[@]}"; do rm -rf "$(socket_directory "$node")"; done
    for node in "$STATE"/strangers/*/; do
        if [[ -d $node ]]; then rm -rf "${CMESH_RUN_DIR:?}/$(basename "$node")-node"; fi
    done
    if [[ -d $CMESH_RUN_DIR ]]; then rmdir --ignore-fail-on-non-empty "$CMESH_RUN_DIR" || true; fi
    rm -rf "$STATE"
}

# unmount_all: what was mounted within the world's own directories.
unmount_all() {
    local point
    awk -v state="$STATE/" -v kept="$KEPT" 'index($5, state) == 1 || $5 == kept || index($5, kept "/") == 1 { print $5 }' /proc/self/mountinfo | sort -r |
        while read -r point; do umount "$point" || umount -l "$point"; done
}

# remove_groups: control groups that chaos made; nobody is in them any more.
remove_groups() {
    local group
    [[ -e $STATE/groups ]] || return 0
    while read -r group; do
        if [[ -d $group ]]; then rmdir "$group" || complain "the control group $group does not go away"; fi
    done <"$STATE/groups"
}

# world_exists: anything of it.
world_exists() {
    local place
    [[ ! -d $STATE && ! -d $KEPT ]] && nobody_is_marked || return 0
    for place in "${PLACES[@]}"; do
        [[ ! -e /run/netns/$LAB_ID-$place && ! -e /etc/netns/$LAB_ID-$place ]] || return 0
    done
    for place in "${NODES[@]}"; do
        [[ ! -d $(socket_directory "$place") ]] || return 0
    done
    return 1
}

# warn_of_strangers: when ours are stopped, whoever is still there was started by hand. They are left alone and named.
warn_of_strangers() {
    local strangers
    strangers=$(strangers_in_world)
    [[ -n $strangers ]] || return 0
    complain "these processes use the world and were not started by the lab; stop them, a namespace lives as long as they do:"
    printf '%s\n' "$strangers" >&2
}

strangers_in_world() {
    local place pid
    for place in "${PLACES[@]}"; do
        [[ -e /run/netns/$LAB_ID-$place ]] || continue
        for pid in $(ip netns pids "$LAB_ID-$place" 2>/dev/null); do describe_process "$pid" "in $place"; done
    done
    for place in "${NODES[@]}"; do
        # A forwarder holds TAPs in the world's namespaces, but is not in them.
        if pid=$(answering_forwarder "$place"); then describe_process "$pid" "forwarder of $place"; fi
    done
}

# describe_process <pid> <what>: nothing for one that has just gone.
describe_process() {
    local command
    command=$(ps -o args= -p "$1" | head -n 1) || return 0
    printf '  %7d  %s: %s\n' "$1" "$2" "${command:0:80}"
}
