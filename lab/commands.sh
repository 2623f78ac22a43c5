# shellcheck shell=bash
# commands.sh: what ./run-lab.sh is told.

main() {
    local -a told=("$@")
    while [[ ${1:-} == --mode || ${1:-} == --family ]]; do
        case $1 in
            --mode)
                MODE=${2:-}
                [[ $MODE == native || $MODE == vxlan ]] || die 2 "--mode takes native or vxlan, not '$MODE'"
                ;;
            --family) choose_family "${2:-}" ;;
        esac
        shift 2
    done
    # Without a command it is the whole job, whose options may be given at once.
    local command=${1:-run}
    if [[ $command == --short ]]; then
        command=run
    elif (( $# )); then
        shift
    fi
    [[ $FAMILY == ipv4 || " faults floods abuse chaos soak cases acceptance bench " != *" $command "* ]] ||
        die 2 "the worlds of '$command' are IPv4; --family $FAMILY is for the walk-through and for up"
    case $command in
        run | up | connect | disconnect | scale | exec | status | down | faults | floods | abuse | chaos | soak | cases | acceptance | bench | shell) enter_own_namespaces "${told[@]}" && need_root "the lab" && "command_$command" "$@" ;;
        help | -h | --help) command_help ;;
        *) die 2 "there is no '$command'; ./run-lab.sh help lists what there is" ;;
    esac
}

command_help() {
    cat <<'END'
./run-lab.sh [--short]                  the whole job: install, build, bring up, walk through, clean up; --short takes the steps that have traffic
./run-lab.sh up [--unconnected]         bring the world up and leave it there: two clusters, joined, with webpod in both; or not joined yet
./run-lab.sh connect                    join the two clusters of that world: cmesh clustermesh enable, connect, status --wait
./run-lab.sh disconnect                 take them apart again
./run-lab.sh exec west curl-pod -- CMD  run CMD in a pod; also: exec west-worker -- CMD, exec outside -- CMD, exec net -- CMD
./run-lab.sh scale west webpod N        webpod with N pods (0 to 2) in that cluster
./run-lab.sh status                     what is up
./run-lab.sh down                       take the world away, also after a crash
./run-lab.sh faults [--short] [--only NAME,...]
                                        what the mesh does when its parts are killed, cut off or changed, and how fast a change reaches packets
./run-lab.sh chaos [--short] [--only NAME,...] [--seed N] [--connections N] [--datagrams N]
                                        verified traffic while network, processes and machine misbehave; lab/chaos/scenarios.txt says what is done
lab/soak [--minutes N] [--seed N]       the same for long, with operations that the dice choose; ends with a report
./run-lab.sh floods [--short] [--only NAME,...]
                                        what floods through full tables leave of established connections
./run-lab.sh abuse [--short]            what clients that mean harm to control sockets cost packets
./run-lab.sh cases                      things that are set up wrong, and what cmesh trace says about each
./run-lab.sh acceptance [--short]       longer checks with real traffic, in a world of their own
./run-lab.sh bench [OPTION...]          this datapath, the kernel and a null forwarder, measured in turns; --help lists the options
./run-lab.sh shell                      for ordinary users: a shell with a machine of its own, in which worlds can be brought up and left standing
./run-lab.sh help                       this

./run-lab.sh --mode vxlan COMMAND       the same with packets between nodes in VXLAN tunnels; native unless given
./run-lab.sh --family dual COMMAND      the walk-through and up with IPv4 and IPv6, or with --family ipv6 alone; ipv4 unless given

An ordinary user's worlds live in a user namespace (unshare), and end with the command.

CMESH_LAB_ID names the world (small letters and digits): `lab` unless given for what is left standing by up; a random one
for the whole job, for faults, for acceptance and for bench.
CMESH_WORKERS is the number of threads that each forwarder forwards with: 1 unless given.
END
}

# prepare: everything a world needs on this machine.
prepare() {
    install_missing "${LAB_COMMANDS[@]}" "${BUILD_COMMANDS[@]}"
    build_programs
}

# own_world [mesh]: one that lives as long as this script.
own_world() {
    choose_own_world
    local began
    began=$(milliseconds)
    world_up "$@"
    say "• world '$LAB_ID' is up: $(in_seconds $(( $(milliseconds) - began )))"
}

# choose_own_world: what it needs, without bringing it up yet.
choose_own_world() {
    choose_world "${CMESH_LAB_ID:-$(random_id)}"
    trap leave EXIT
    trap_signals
    SUMMARY_DUE=1
    prepare
}

# conclude: the figures come last, when all is cleaned up.
conclude() {
    clean_up
    trap - EXIT
    summary
}

command_run() {
    local began number
    local -a steps=("${STEPS[@]}")
    case ${1:-} in
        '') ;;
        --short) steps=("${SHORT_STEPS[@]}") ;;
        *) die 2 "'run' knows --short, not '$1'" ;;
    esac
    own_world mesh
    began=$(milliseconds)
    say "The steps and their numbers are those of docs/walkthrough.md."
    for number in "${steps[@]}"; do "step_$number"; done
    say "
• ${#steps[@]} steps: $(in_seconds $(( $(milliseconds) - began )))"
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

command_cases() {
    (( $# == 0 )) || die 2 "'cases' takes no arguments"
    own_world
    connect
    cases
    conclude
}

command_faults() {
    local size=full name
    while (( $# )); do
        case $1 in
            --short) size=short ;;
            --only)
                IFS=, read -ra CHOSEN <<<"${2:-}"
                for name in "${CHOSEN[@]:-}"; do
                    [[ $name && " ${FAULTS[*]} " == *" $name "* ]] || die 2 "there is no fault '$name'; there are: ${FAULTS[*]}"
                done
                shift
                ;;
            *) die 2 "faults knows --short and --only NAME,NAME, not '$1'" ;;
        esac
        shift
    done
    # Longer than an election takes, so that another agent goes on in time; short enough to outlast.
    LEASE_SECONDS=45
    own_world mesh
    faults "$size"
    conclude
}

command_chaos() {
    local size=full name
    local -a chosen=() known=(lab_itself)
    SEED=$(( SRANDOM % 1000000 + 1 ))
    mapfile -t -O 1 known < <(scenario_names full)
    while (( $# )); do
        case $1 in
            --short) size=short ;;
            --seed)
                [[ ${2:-} =~ ^[1-9][0-9]{0,8}$ ]] || die 2 "--seed takes a number from 1 to 999999999, not '${2:-}'"
                SEED=$2
                shift
                ;;
            --only)
                IFS=, read -ra chosen <<<"${2:-}"
                for name in "${chosen[@]:-}"; do
                    [[ $name && " ${known[*]} " == *" $name "* ]] || die 2 "there is no scenario '$name'; there are: ${known[*]}"
                done
                shift
                ;;
            --connections)
                [[ ${2:-} =~ ^[1-9][0-9]{0,2}0$ ]] && (( $2 <= 2000 )) || die 2 "--connections takes a multiple of 10 up to 2000, not '${2:-}'"
                STEADY_COUNT=$2
                shift
                ;;
            --datagrams)
                [[ ${2:-} =~ ^[1-9][0-9]{1,5}$ ]] || die 2 "--datagrams takes how many a second, from 10 to 999999, not '${2:-}'"
                STEADY_RATE=$2
                shift
                ;;
            *) die 2 "chaos knows --short, --only NAME,NAME, --seed N, --connections N and --datagrams N, not '$1'" ;;
        esac
        shift
    done
    (( ${#chosen[@]} )) || mapfile -t chosen < <(printf 'lab_itself\n'; scenario_names "$size")
    LEASE_SECONDS=45
    choose_own_world
    build_traffic
    chaos "$size" "${chosen[@]}"
    conclude
}

command_soak() {
    local minutes=20
    SEED=$(( SRANDOM % 1000000 + 1 ))
    while (( $# )); do
        [[ $1 == --minutes || $1 == --seed ]] || die 2 "soak knows --minutes N and --seed N, not '$1'"
        [[ ${2:-} =~ ^[1-9][0-9]{0,5}$ ]] || die 2 "$1 takes a number from 1 to 999999, not '${2:-}'"
        if [[ $1 == --minutes ]]; then minutes=$2; else SEED=$2; fi
        shift 2
    done
    LEASE_SECONDS=45
    PAUSE=1
    AWAY=4
    DICE=$SEED
    choose_own_world
    build_traffic
    soak "$minutes"
    conclude
}

command_up() {
    local joined=1
    case ${1:-} in
        '') ;;
        --unconnected) joined='' ;;
        *) die 2 "up knows --unconnected, not '$1'" ;;
    esac
    choose_world "${CMESH_LAB_ID:-lab}"
    if [[ -d $STATE ]]; then
        [[ $(cat "$STATE/checkout" 2>/dev/null) == "$ROOT" ]] && is_up && ! owner_of_world >/dev/null || refuse_world
        say "the world '$LAB_ID' is up already"
        return
    fi
    trap leave EXIT
    trap_signals
    prepare
    world_up mesh
    if [[ $joined ]]; then
        deploy west
        deploy east
        enable_mesh
        connect_mesh
    fi
    trap - EXIT
    show_places
    show_what_to_try "$joined"
}

# show_what_to_try <1 when the clusters are joined>
show_what_to_try() {
    say "
By hand, from here:
  export PATH=$ROOT/bin:\$PATH$([[ $LAB_ID == lab ]] || printf ' CMESH_LAB_ID=%s CMESH_RUN_DIR=%s' "$LAB_ID" "$CMESH_RUN_DIR")"
    if [[ $1 ]]; then
        say "  ./run-lab.sh exec west curl-pod -- curl -s webpod
  cmesh --node west-worker service list --clustermesh-affinity
  cmesh annotate service webpod service.cilium.io/affinity=local --overwrite --context west
  cmesh scale deployment webpod --replicas 0 --context west"
    else
        say "  cmesh apply -f $STATE/manifests/west/webpod.yaml --context west
  cmesh clustermesh enable --context west
  cmesh clustermesh enable --context east --ca-from west
  cmesh clustermesh connect --context west --destination-context east"
    fi
    say "  ./run-lab.sh down"
}

command_connect() {
    choose_world "${CMESH_LAB_ID:-lab}"
    need_up
    need_mesh
    enable_mesh
    connect_mesh
    say "the clusters are connected"
}

command_disconnect() {
    choose_world "${CMESH_LAB_ID:-lab}"
    need_up
    need_mesh
    do_mesh clustermesh disconnect --context west --destination-context east
}

need_mesh() { is_meshed || die 2 "the world '$LAB_ID' has no agents"; }

command_scale() {
    choose_world "${CMESH_LAB_ID:-lab}"
    need_up
    [[ ${1:-} =~ ^(west|east)$ && ${2:-} == webpod && ${3:-} =~ ^[0-2]$ && $# == 3 ]] ||
        die 2 "scale is told a cluster, webpod and a number from 0 to 2: ./run-lab.sh scale west webpod 0"
    need_mesh
    scale "$1" "$3"
    (( FAILED == 0 )) || exit 1
    say "webpod has $3 pods in $1"
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
    export PATH=$ROOT/bin:$PATH CMESH_RUN_DIR
    if [[ -d $(socket_directory "$place") ]]; then
        # On a node: what asks its forwarder or its agent finds it, ours and Cilium's own.
        CMESH_SOCKET=$(socket_directory "$place")/control.sock
        CILIUM_SOCK=$(socket_directory "$place")/api.sock
        HUBBLE_SERVER=unix://$(socket_directory "$place")/hubble.sock
        export CMESH_SOCKET CILIUM_SOCK HUBBLE_SERVER
    fi
    exec ip netns exec "$LAB_ID-$place" "$@"
}

command_down() {
    choose_world "${CMESH_LAB_ID:-lab}"
    local owner
    if owner=$(owner_of_world); then
        die 1 "the world '$LAB_ID' is at work under process $owner; wait for it, or end that first"
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
        *) known="only $knowing of ${#NODES[@]} nodes" ;;
    esac
    say "${BOLD}world '$LAB_ID'${PLAIN}, clusters connected: $known"
    if is_meshed; then say "  webpods that are ready: west $(webpods_of west), east $(webpods_of east)"; fi
    for node in "${NODES[@]}"; do
        say "  $node $(of_all_families ADDRESS "$node" ', '), ${note[$node]}"
        say "    $(forwarder_of "$node"), socket $(socket_directory "$node")/control.sock"
        if is_meshed; then say "    agent $(pid_of "$node-agent" || printf 'none, it is dead'), file $STATE/agents/$node.yaml"; fi
        for pod in "${PODS[@]}"; do
            if grep -qF "namespace: \"$LAB_ID-$pod\"" "$STATE/nodes/$node.yaml"; then
                say "    $pod $(of_all_families ADDRESS "$pod" ', '), namespace $LAB_ID-$pod"
            fi
        done
    done
    say "  outside $(of_all_families ADDRESS outside ', '), namespace $LAB_ID-outside"
}

webpods_of() {
    local ready
    ready=$(ready_pods "$1" default webpod)
    printf '%s\n' "${ready:-none deployed}"
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
