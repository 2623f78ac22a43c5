# shellcheck shell=bash
# nodes.sh: the forwarders, one a node, and what the lab tells them through cmesh.

socket_directory() { printf '%s\n' "$CMESH_RUN_DIR/${1%%-*}-$1"; }

# cmesh_on <node> <arguments...>: the one place that knows how the CLI is pointed at a node.
cmesh_on() {
    local node=$1; shift
    timeout --foreground 20 "$CMESH" --socket "$(socket_directory "$node")/control.sock" "$@"
}

# answering_forwarder <node>: the pid of the forwarder that answers on the node's socket, whoever started it.
answering_forwarder() {
    [[ -S $(socket_directory "$1")/control.sock ]] && json "$1" .processId status 2>/dev/null
}

# How packets travel between nodes: native, or vxlan.
MODE=native

# start_forwarders <node...>: all at once, then wait for each. UPLINK_OFFLOADS: on, if not given. CMESH_WORKERS: 1, if not given. KEEP: when
# set, flows and TAPs outlive them.
# CONNTRACK_ENTRIES and SNAT_ENTRIES: those of the node file, if not given.
start_forwarders() {
    local node
    progress "forwarders: $*"
    for node; do
        of_family "$ROOT/lab/nodes/$node.yaml" | sed -e "s|@LAB@|$LAB_ID|g" -e "/^  bridge:/a\\  offloads: ${UPLINK_OFFLOADS:-on}" >"$STATE/nodes/$node.yaml"
        [[ -z ${CONNTRACK_ENTRIES:-} ]] || sed -i "s|^  conntrackEntries: .*|  conntrackEntries: $CONNTRACK_ENTRIES|" "$STATE/nodes/$node.yaml"
        [[ -z ${SNAT_ENTRIES:-} ]] || sed -i "s|^  snatEntries: .*|  snatEntries: $SNAT_ENTRIES|" "$STATE/nodes/$node.yaml"
        [[ $MODE == native ]] || sed -i 's/^  mode: native$/  mode: tunnel/' "$STATE/nodes/$node.yaml"
        ! is_meshed || sed -i '/^# From here on: for worlds without agents/,$d' "$STATE/nodes/$node.yaml"
        start "$node-forwarder" - "$FORWARDER" --config "$STATE/nodes/$node.yaml" --workers "${CMESH_WORKERS:-1}" ${KEEP:+--keep "$KEPT"}
    done
    for node; do
        wait_for 20 forwarder_is_ready_or_dead "$node" || die 1 "the forwarder of $node is not ready after 20 s: $(last_words "$node")"
        is_gone "$node-forwarder" && die 1 "the forwarder of $node ended: $(last_words "$node")"
    done
    return 0
}

# It listens when its ports are up; the socket file alone may be left from one that was killed, hence the question.
forwarder_is_ready_or_dead() {
    is_gone "$1-forwarder" && return 0
    [[ -S $(socket_directory "$1")/control.sock ]] && cmesh_on "$1" status >/dev/null 2>&1
}

last_words() { printf '\n'; tail -n 15 "$STATE/log/$1-forwarder.log" 2>/dev/null | sed 's/^/        | /'; }

# One that was stopped on purpose has no record any more.
show_dead_forwarders() {
    local node
    for node in "${NODES[@]}"; do
        if [[ -e $STATE/pid/$node-agent ]] && is_gone "$node-agent"; then
            printf '        the agent of %s is dead; its last lines: %s\n' "$node" "$(log_tail "$node-agent")"
        fi
        if [[ -e $STATE/pid/$node-forwarder ]] && is_gone "$node-forwarder"; then
            printf '        the forwarder of %s is dead; its last lines: %s\n' "$node" "$(last_words "$node")"
        fi
    done
}

# connect: in a world without agents each node is told the other cluster's nodes, and webpod's backends in both.
connect() {
    local node
    for node in "${NODES[@]}"; do connect_node "$node"; done
}

connect_node() { apply_file "$1" "$ROOT/lab/connect/${1%%-*}.yaml"; }

# apply_file <node> <file>: shown, and fatal when refused.
apply_file() {
    local answer
    show_command "$1" cmesh apply -f "${2#"$ROOT/"}"
    answer=$(cmesh_on "$1" apply -f "$2" 2>&1) || die 1 "cmesh apply of ${2##*/} on $1 failed: $answer"
    show_output "$answer"
}

# knows_other_cluster <node>: all its nodes. Fails also for a forwarder that does not answer.
knows_other_cluster() {
    local count
    count=$(json "$1" "[.[] | select(.cluster == \"${OTHER[${1%%-*}]}\")] | length" node list 2>/dev/null) && (( count == 2 ))
}
