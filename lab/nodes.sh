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

# start_forwarders <node...>: all at once, then wait for each. UPLINK_OFFLOADS: on, if not given. CMESH_WORKERS: 1, if not given.
start_forwarders() {
    local node
    progress "forwarders: $*"
    for node; do
        sed -e "s|@LAB@|$LAB_ID|g" -e "/^  bridge:/a\\  offloads: ${UPLINK_OFFLOADS:-on}" "$ROOT/lab/nodes/$node.yaml" >"$STATE/nodes/$node.yaml"
        start "$node-forwarder" - "$FORWARDER" --config "$STATE/nodes/$node.yaml" --workers "${CMESH_WORKERS:-1}"
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

# A forwarder that was stopped on purpose has no record any more.
show_dead_forwarders() {
    local node
    for node in "${NODES[@]}"; do
        if [[ -e $STATE/pid/$node-forwarder ]] && is_gone "$node-forwarder"; then
            printf '        the forwarder of %s is dead; its last lines: %s\n' "$node" "$(last_words "$node")"
        fi
    done
}

# connect: each node learns the other cluster's nodes, and webpod's backends in both; what is scaled away stays away.
connect() {
    local node
    for node in "${NODES[@]}"; do connect_node "$node"; done
    : >"$STATE/connected"
    [[ $(replicas_of west) == 2 && $(replicas_of east) == 2 ]] || apply_webpod none 0
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

# scale <cluster> <replicas>: webpod with that many backends in the cluster, on all four nodes. One that goes is terminating first, as in
# Kubernetes: flows that it has go on, new ones go elsewhere; it is removed when they are at an end.
scale() {
    local cluster=$1 replicas=$2 had number going=()
    had=$(replicas_of "$cluster")
    for (( number = replicas + 1; number <= had; number++ )); do going+=("${ADDRESS[$cluster-webpod-$number]}"); done
    if (( ${#going[@]} )); then
        apply_webpod "$cluster" "$replicas"
        progress "waiting for the flows of ${going[*]}"
        wait_for 10 flows_are_over "${going[@]}" ||
            say "• ${going[*]}: there still are unfinished flows after 10 s; removed all the same"
    fi
    printf '%s\n' "$replicas" >"$STATE/replicas-$cluster"
    apply_webpod "$cluster" "$replicas"
}

replicas_of() { cat "$STATE/replicas-$1" 2>/dev/null || printf '2\n'; }

# apply_webpod <cluster> <active>: to all nodes webpod as it is; of the cluster's backends those beyond <active> are terminating.
apply_webpod() {
    local node file
    for node in "${NODES[@]}"; do
        # A cluster that is not connected hears nothing of the other's pods.
        [[ -e $STATE/connected || $1 == none || ${node%%-*} == "$1" ]] || continue
        file=$STATE/nodes/$node-webpod.yaml
        scaled_services "$node" "$1" "$2" >"$file"
        apply_file "$node" "$file"
    done
}

# scaled_services <node> <cluster> <active>: the services section as the node has it, without the backends of pods that are scaled away.
scaled_services() {
    local source=$STATE/nodes/$1.yaml cluster number had gone=' ' going=' '
    if [[ -e $STATE/connected ]]; then source=$ROOT/lab/connect/${1%%-*}.yaml; fi
    for cluster in west east; do
        had=$(replicas_of "$cluster")
        for (( number = 1; number <= 2; number++ )); do
            if (( number > had )); then
                gone+="${ADDRESS[$cluster-webpod-$number]} "
            elif [[ $cluster == "$2" ]] && (( number > $3 )); then
                going+="${ADDRESS[$cluster-webpod-$number]} "
            fi
        done
    done
    # A list that has lost all its lines must say that it is empty.
    sed -n '/^services:/,$p' "$source" | awk -v gone="$gone" -v going="$going" '
        /^ *- \{ address: .* port: 80,/ {
            address = " " substr($4, 1, length($4) - 1) " "
            if (index(gone, address)) next
            if (index(going, address)) sub(/ \}$/, ", state: terminating }")
        }
        /^ *backends:$/ { held = $0; next }
        held            { print held (/^ *- \{ address/ ? "" : " []"); held = "" }
                        { print }
        END             { if (held) print held " []" }'
}

# flows_are_over <address...>: no node tracks a flow to one of these backends that both sides have not closed.
flows_are_over() {
    local node count backends unfinished
    printf -v backends '"%s:80",' "$@"
    unfinished=".protocol == \"TCP\" and (.destination | IN(${backends%,}))"
    unfinished+=' and (.flagNames | contains(["RxClosing", "TxClosing"]) | not)'
    for node in "${NODES[@]}"; do
        count=$(json "$node" "[.[] | select($unfinished)] | length" ct list) && (( count == 0 )) || return 1
    done
}
