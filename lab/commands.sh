# shellcheck shell=bash
# commands.sh: what ./run-lab.sh is told.

main() {
    local command=${1:-run}
    if (( $# )); then shift; fi
    case $command in
        run | up | connect | scale | exec | status | down | acceptance | bench) need_root "the lab" && "command_$command" "$@" ;;
        help | -h | --help) command_help ;;
        *) die 2 "there is no '$command'; ./run-lab.sh help lists what there is" ;;
    esac
}

command_help() {
    cat <<'END'
./run-lab.sh                            the whole job: install, build, bring up, walk through, clean up
./run-lab.sh up                         bring the world up and leave it there
./run-lab.sh connect                    connect the two clusters of that world
./run-lab.sh exec west curl-pod -- CMD  run CMD in a pod; also: exec west-worker -- CMD, exec outside -- CMD, exec net -- CMD
./run-lab.sh scale west webpod N        webpod with N backends (0 to 2) in that cluster
./run-lab.sh status                     what is up
./run-lab.sh down                       take the world away, also after a crash
./run-lab.sh acceptance [--short]       longer checks with real traffic, in a world of their own
./run-lab.sh bench [OPTION...]          this datapath, the kernel and a null forwarder, measured in turns; --help lists the options
./run-lab.sh help                       this

CMESH_LAB_ID names the world (small letters and digits): `lab` unless given for up, connect, exec, scale, status and down;
a random one for the whole job, for acceptance and for bench.
END
}

# prepare: everything a world needs on this machine.
prepare() {
    install_missing "${LAB_COMMANDS[@]}" "${BUILD_COMMANDS[@]}"
    build_programs
}

# own_world: one that lives as long as this script.
own_world() {
    choose_world "${CMESH_LAB_ID:-$(random_id)}"
    trap leave EXIT
    trap_signals
    SUMMARY_DUE=1
    prepare
    local began
    began=$(milliseconds)
    world_up
    say "• world '$LAB_ID' is up: $(in_seconds $(( $(milliseconds) - began )))"
}

# conclude: the figures come last, when all is cleaned up.
conclude() {
    clean_up
    trap - EXIT
    summary
}

command_run() {
    (( $# == 0 )) || die 2 "'run' takes no arguments"
    own_world
    say "The steps and their numbers are those of docs/walkthrough.md."
    local number
    for number in 1 2 4 5 11 12 13 14 17 18 19 28 29; do "step_$number"; done
    conclude
}

command_acceptance() {
    local size=full
    case ${1:-} in
        '') ;;
        --short) size=short ;;
        *) die 2 "acceptance knows --short, not '$1'" ;;
    esac
    own_world
    connect
    acceptance "$size"
    conclude
}

command_up() {
    choose_world "${CMESH_LAB_ID:-lab}"
    if is_up; then
        say "the world '$LAB_ID' is up already"
        return
    fi
    trap leave EXIT
    trap_signals
    prepare
    world_up
    trap - EXIT
    show_places
    say "
The clusters do not know each other yet: ./run-lab.sh connect
Try:  ./run-lab.sh exec west curl-pod -- curl -s webpod"
}

command_connect() {
    choose_world "${CMESH_LAB_ID:-lab}"
    need_up
    connect
    say "the clusters are connected"
}

command_scale() {
    choose_world "${CMESH_LAB_ID:-lab}"
    need_up
    [[ ${1:-} =~ ^(west|east)$ && ${2:-} == webpod && ${3:-} =~ ^[0-2]$ && $# == 3 ]] ||
        die 2 "scale is told a cluster, webpod and a number from 0 to 2: ./run-lab.sh scale west webpod 0"
    scale "$1" "$3"
    say "webpod has $3 backends in $1"
}

command_exec() {
    choose_world "${CMESH_LAB_ID:-lab}"
    need_up
    local place=''
    while (( $# )) && [[ $1 != -- ]]; do
        place+=${place:+-}$1
        shift
    done
    is_place "$place" || die 2 "there is no '$place'; there are: ${PLACES[*]}"
    shift || true
    (( $# )) || die 2 "what is to be run in $place? ./run-lab.sh exec $place -- COMMAND"
    exec ip netns exec "$LAB_ID-$place" "$@"
}

command_down() {
    choose_world "${CMESH_LAB_ID:-lab}"
    local owner
    if [[ -d $STATE ]] && ! is_up && owner=$(cat "$STATE/owner" 2>/dev/null) && kill -0 "$owner" 2>/dev/null; then
        die 1 "the world '$LAB_ID' is just being brought up by process $owner"
    fi
    if ! world_exists; then
        say "there was no world '$LAB_ID'"
        return
    fi
    progress "taking '$LAB_ID' away"
    world_down
    say "the world '$LAB_ID' is gone"
}

command_status() {
    choose_world "${CMESH_LAB_ID:-lab}"
    local other
    if is_up; then show_places; else say "the world '$LAB_ID' is not up"; fi
    for other in /run/cmesh-lab-*; do
        other=${other#/run/cmesh-lab-}
        [[ $other == '*' || $other == "$LAB_ID" ]] || say "another world: CMESH_LAB_ID=$other ./run-lab.sh status"
    done
}

show_places() {
    local node pod knowing=0 known
    local -A note=()
    for node in "${NODES[@]}"; do
        note[$node]="does not know all of ${OTHER[${node%%-*}]}"
        if [[ -z $(answering_forwarder "$node") ]]; then
            note[$node]="cannot be asked"
        elif knows_other_cluster "$node"; then
            note[$node]="knows both clusters"
            knowing=$(( knowing + 1 ))
        fi
    done
    case $knowing in
        0) known=no ;;
        "${#NODES[@]}") known=yes ;;
        *) known="only $knowing of ${#NODES[@]} nodes (./run-lab.sh connect)" ;;
    esac
    say "${BOLD}world '$LAB_ID'${PLAIN}, clusters connected: $known, webpods: west $(replicas_of west), east $(replicas_of east)"
    for node in "${NODES[@]}"; do
        say "  $node ${ADDRESS[$node]}, ${note[$node]}"
        say "    $(forwarder_of "$node"), socket $(socket_directory "$node")/control.sock"
        for pod in "${PODS[@]}"; do
            if grep -qF "namespace: \"$LAB_ID-$pod\"" "$STATE/nodes/$node.yaml"; then
                say "    $pod ${ADDRESS[$pod]}, namespace $LAB_ID-$pod"
            fi
        done
    done
    say "  outside ${ADDRESS[outside]}, namespace $LAB_ID-outside"
}

# forwarder_of <node>: ours, one that somebody else started, or none.
forwarder_of() {
    local ours answering
    ours=$(pid_of "$1-forwarder") || ours=''
    answering=$(answering_forwarder "$1") || answering=''
    if [[ -n $answering && $answering == "$ours" ]]; then
        printf 'forwarder %s\n' "$ours"
    elif [[ -n $answering ]]; then
        printf 'forwarder %s, started by hand\n' "$answering"
    elif [[ -n $ours ]]; then
        printf 'forwarder %s, does not answer\n' "$ours"
    else
        printf 'forwarder none, it is dead\n'
    fi
}
