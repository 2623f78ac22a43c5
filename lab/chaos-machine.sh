# shellcheck shell=bash
# chaos-machine.sh: what may happen to processes and to the machine under them. Part of ./run-lab.sh chaos; each function does what scenarios.txt
# says of it.

chaos_forwarder_killed() {
    local node
    for node in west-worker east-worker; do
        end_forwarder KILL "$node"
        start_forwarders "$node"
        show_output "$(grep -h 'taken up in' "$STATE/log/$node-forwarder.log" | tail -n 1)"
    done
}

# replace_forwarder <node>: by another process of the same kind.
replace_forwarder() {
    local old
    old=$(pid_of "$1-forwarder") || die 1 "the forwarder of $1 is dead: $(last_words "$1")"
    show_command machine cmesh-forwarder --config "nodes/$1.yaml" --keep "$KEPT" --takeover
    mv "$STATE/pid/$1-forwarder" "$STATE/pid/$1-forwarder-before"
    mv "$STATE/log/$1-forwarder.log" "$STATE/log/$1-forwarder-before.log"
    start "$1-forwarder" - "$FORWARDER" --config "$STATE/nodes/$1.yaml" --workers "${CMESH_WORKERS:-1}" --keep "$KEPT" --takeover
    wait_for 20 is_replaced "$1" "$old" || fail "the forwarder of $1 is replaced" "another than process $old" "$(last_words "$1")"
    RC=0
    { wait "$old" || RC=$?; } 2>/dev/null
    rm -f "$STATE/pid/$1-forwarder-before"
    expect "the one before it ends well" "exit code 0" "exit code $RC$( (( RC == 0 )) || log_tail "$1-forwarder-before")"
    show_output "$(tail -n 1 "$STATE/log/$1-forwarder.log")"
}

is_replaced() {
    local now
    is_gone "$1-forwarder-before" && now=$(answering_forwarder "$1") && [[ $now != "$2" && $now == "$(pid_of "$1-forwarder")" ]]
}

chaos_forwarder_replaced() {
    local node
    for node in west-worker east-worker; do replace_forwarder "$node"; done
}

# chaos_agent_killed: the services of its cluster change while it is away; what holds in the end must be in force two seconds after it is back.
chaos_agent_killed() {
    local end began number=0 wanted
    write_slices
    end_agent west-worker
    end=$(( $(milliseconds) + AWAY * 1000 ))
    while (( $(milliseconds) < end )); do
        number=$(( number + 1 ))
        apply_changing west $(( number % 2 + 1 ))
    done
    wanted=$(( number % 2 + 1 ))
    # What the forwarder has by itself would show nothing.
    if lists_changing west-worker "$wanted"; then
        number=$(( number + 1 ))
        wanted=$(( number % 2 + 1 ))
        apply_changing west "$wanted"
    fi
    show_output "$number changes while the agent was away for $AWAY s"
    start west-worker-agent west-worker "$AGENT" --config "$STATE/agents/west-worker.yaml"
    began=$(milliseconds)
    wait_for 20 lists_changing west-worker "$wanted" || true
    show_output "in force $(in_seconds $(( $(milliseconds) - began ))) after the agent was started"
    expect_that "within two seconds of its return the forwarder knows what holds" "$wanted backends in 2 s" \
        test "$(( $(milliseconds) - began ))" -le 2000
    wait_for_mesh
}

# apply_changing <cluster> <backends>
apply_changing() {
    OUT=$("$CMESH" apply -f "$STATE/slice-$2.yaml" --context "$1" 2>&1) || die 1 "$1 refuses its endpoint slice: $OUT"
}

# lists_changing <node> <backends>: so many take new flows; one that drains does not.
lists_changing() {
    OUT=$(cmesh_on "$1" service list 2>&1) && [[ $(awk -v frontend="${CHANGING[${1%%-*}]}:80/TCP" '
        /^[0-9]/ { inside = ($2 == frontend) }
        inside && /\(active\)/ { count++ }
        END { print count + 0 }' <<<"$OUT") == "$2" ]]
}

declare -A CHANGING=([west]=10.2.99.2 [east]=10.3.99.2)

chaos_etcds_killed() {
    local cluster pid
    for cluster in west east; do
        show_command machine kill -KILL "$cluster-clustermesh-apiserver-etcd, $cluster-etcd"
        signal KILL "$cluster-clustermesh-apiserver-etcd"
        pid=$(pid_of "$cluster-etcd") || die 1 "the etcd of $cluster is dead: $(log_tail "$cluster-etcd")"
        # The shell's own remark about a killed job is not wanted.
        { kill -KILL "$pid"; wait "$pid"; } 2>/dev/null || true
    done
    sleep "$PAUSE"
    see_mesh clustermesh status --context west
    expect_that "west's control plane cannot be asked" "an exit code" test "$RC" -ne 0
    for cluster in west east; do start_store "$cluster"; done
    for cluster in west east; do wait_for 20 listens "$cluster-control-plane" 2379 || die 1 "the etcd of $cluster does not listen: $(log_tail "$cluster-etcd")"; done
    # The kubelets' view of what is wanted ended with the etcds.
    for cluster in west east; do
        stop "objects-$cluster"
        start "objects-$cluster" "$cluster-control-plane" etcdctl --endpoints "http://${ADDRESS[$cluster-control-plane]}:2379" watch --prefix cmesh/objects/v1/
    done
    wait_for_mesh
    # All that nodes know might be of before.
    for cluster in west east; do expect_change_arrives "$cluster" 20; done
}

# jump <seconds>: of those that were started with the clock of $STATE/clock.
jump() {
    show_command machine "wall clock of agent and forwarder: $1 s"
    perl -e 'print pack("q", shift)' -- "$1" | dd of="$STATE/clock" conv=notrunc status=none
}

chaos_clock_jumps() {
    local seconds
    perl -e 'print pack("q", 0)' >"$STATE/clock"
    end_agent west-worker
    start west-worker-agent west-worker env LD_PRELOAD="$ROOT/native/build/clockjump.so" CLOCKJUMP="$STATE/clock" "$AGENT" --config "$STATE/agents/west-worker.yaml"
    wait_for 20 test -S "$(socket_directory west-worker)/agent.sock" || true
    LD_PRELOAD=$ROOT/native/build/clockjump.so CLOCKJUMP=$STATE/clock replace_forwarder west-worker
    wait_for_mesh
    for seconds in 3600 -3600 86400 0; do
        jump "$seconds"
        sleep "$PAUSE"
        see_cmesh west-worker status
        expect_that "the agent's flows are of that time" "$seconds s from now, 60 more or less" is_dated west-worker "$seconds"
    done
    wait_for_mesh
    end_agent west-worker
    start_agents west-worker
    replace_forwarder west-worker
    wait_for_mesh
}

# is_dated <node> <seconds>: its newest flow is so far from now. One that came before the jump bears the former date.
is_dated() {
    local shown
    OUT=$(cmesh_on "$1" observe --last 1 -o json 2>&1) || return 1
    shown=$(date -u +%s -d "$(jq -r '(.flow // .).time' <<<"$OUT")") || return 1
    OUT="$(( shown - $(date +%s) )) s from now: $OUT"
    (( shown - $(date +%s) - $2 < 60 && $2 - shown + $(date +%s) < 60 ))
}

# chaos_clock_other: a container whose clocks are its own: 20,000 s on, 10,000 s back, and back again to the machine's.
chaos_clock_other() {
    local seconds
    for seconds in 20000 10000; do
        end_forwarder KILL west-worker
        show_command machine unshare --time --monotonic "$seconds" cmesh-forwarder
        start west-worker-forwarder - unshare --time --monotonic "$seconds" --boottime "$seconds" "$FORWARDER" --config "$STATE/nodes/west-worker.yaml" --workers "${CMESH_WORKERS:-1}" --keep "$KEPT"
        wait_for 20 forwarder_is_ready_or_dead west-worker || true
        expect_that "it comes up" "a forwarder that answers" pid_of west-worker-forwarder
        show_output "$(grep -h 'flow tables' "$STATE/log/west-worker-forwarder.log" | tail -n 1)"
        expect "its clock is another" "$seconds" "$(awk '$1 == "monotonic" { print $2 }' "/proc/$(pid_of west-worker-forwarder)/timens_offsets")"
        sleep "$PAUSE"
    done
    end_forwarder KILL west-worker
    start_forwarders west-worker
}

# chaos_disk_full: a small tmpfs is filled under the logs of a forwarder and an agent and under what the forwarder keeps.
chaos_disk_full() {
    local node=west-control-plane small=$STATE/small limit=$STATE/small/kept count
    mkdir -p "$small"
    mount -t tmpfs -o size=256m,mode=755 "cmesh-lab-$LAB_ID" "$small"
    end_forwarder TERM "$node"
    end_agent "$node"
    start "$node-forwarder" - bash -c 'exec "$@" >>"$0" 2>&1' "$small/forwarder.log" "$FORWARDER" --config "$STATE/nodes/$node.yaml" --keep "$limit"
    wait_for 20 forwarder_is_ready_or_dead "$node" || true
    start "$node-agent" "$node" bash -c 'exec "$@" >>"$0" 2>&1' "$small/agent.log" "$AGENT" --config "$STATE/agents/$node.yaml"
    wait_for 20 knows_own_nodes "$node" || true
    close_window
    show_command machine fill "$small"
    head -c 300M /dev/zero >"$small/ballast" 2>/dev/null || true
    write_slices
    for count in 1 2 1 2; do
        apply_changing west "$count"
        expect_that "a change is in force although nothing can be written" "$count backends" wait_for 10 lists_changing "$node" "$count"
    done
    # What is said now has nowhere to go: the agent is cut off, requests that make no sense, a second forwarder.
    "$CMESH" --socket "$(socket_directory "$node")/control.sock" delete service default/nobody >/dev/null 2>&1 || true
    see_forwarder "$STATE/nodes/$node.yaml"
    expect_that "the forwarder lives" "a living process" pid_of "$node-forwarder"
    expect_that "and the agent" "a living process" pid_of "$node-agent"
    rm "$small/ballast"
    apply_changing west 1
    expect_that "with room again it goes on" "1 backend" wait_for 10 lists_changing "$node" 1
    head -c 300M /dev/zero >"$small/ballast" 2>/dev/null || true
    end_forwarder KILL "$node"
    start "$node-forwarder" - "$FORWARDER" --config "$STATE/nodes/$node.yaml" --keep "$limit"
    wait_for 20 forwarder_is_ready_or_dead "$node" || true
    expect_that "killed on a full disk it comes up again with what it kept" "a forwarder that answers" cmesh_on "$node" status
    end_forwarder TERM "$node"
    # Its files went with it and left room.
    head -c 300M /dev/zero >"$small/more" 2>/dev/null || true
    see_refusal "$FORWARDER" --config "$STATE/nodes/$node.yaml" --keep "$small/elsewhere"
    expect_that "a forwarder without room for its flow tables says so" "exit code 1 and a sentence" test "$RC" -eq 1
    expect_line "with a sentence" '^cmesh-forwarder: flow tables in .*: .*(space|disk)' "no space left"
    end_agent "$node"
    start_forwarders "$node"
    start_agents "$node"
    wait_for 20 knows_own_nodes "$node" || true
    umount "$small"
}

# see_refusal <command...>: of a program that ought to end by itself.
see_refusal() {
    show_command machine "${1##*/}" "${@:2}"
    RC=0
    OUT=$(timeout --foreground -k 5 10 "$@" 2>&1 </dev/null) || RC=$?
    show_output "$OUT"
    show_output "exit code $RC"
}

# limit_files <process>: three hundred more than it has now.
limit_files() {
    local pid count
    pid=$(pid_of "$1") || die 1 "$1 is dead: $(log_tail "$1")"
    count=$(( $(find "/proc/$pid/fd" -mindepth 1 | wc -l) + 300 ))
    show_command machine prlimit --pid "$pid" "--nofile=$count:"
    prlimit --pid "$pid" --nofile="$count:"
}

# chaos_files_exhausted: clients come and never say a word, many more than files may be opened; and those that have a question.
chaos_files_exhausted() {
    local process sockets ticks number pid
    sockets=$(socket_directory west-worker)
    for process in west-worker-forwarder west-worker-agent; do limit_files "$process"; done
    ticks=$(ticks_of west-worker)
    for number in 1 2 3; do
        start "silent-$number" - "$STEADY" silent 500 "$sockets/control.sock" "$sockets/events.sock" "$sockets/agent.sock" "$sockets/hubble.sock"
    done
    sleep $(( PAUSE * 2 ))
    show_output "the forwarder used $(( $(ticks_of west-worker) - ticks )) ticks meanwhile"
    stop silent-1 silent-2 silent-3
    for process in west-worker-forwarder west-worker-agent; do
        expect_that "$process lives" "a living process" pid_of "$process"
    done
    expect_that "and answers again" "a status" wait_for 10 cmesh_on west-worker status
    for process in west-worker-forwarder west-worker-agent; do
        if pid=$(pid_of "$process"); then prlimit --pid "$pid" --nofile=1024:; fi
    done
}

# chaos_memory_short: by a control group where the machine has such, version 1 or 2.
chaos_memory_short() {
    local process group pid used
    for process in west-worker-forwarder west-worker-agent; do
        group=$(memory_group "$process") || { show_output "this machine has no control group for memory that could be used: left out"; return 0; }
        pid=$(pid_of "$process")
        printf '%s\n' "$pid" >"$group/cgroup.procs"
        used=$(awk '/^VmRSS/ { print $2 * 1024 }' "/proc/$pid/status")
        # Only what is charged from now on counts: a few MB for everything that comes.
        printf '%s\n' $(( 24 * 1024 * 1024 )) >"$group/$(memory_limit "$group")"
        show_output "$process has $(( used / 1048576 )) MB and may take 24 MB more"
    done
    write_slices
    for used in 1 2 1 2 1 2; do
        apply_changing west "$used"
        expect_that "changes go on" "$used backends" wait_for 10 lists_changing west-worker "$used"
        cmesh_on west-worker service list >/dev/null
        cmesh_on west-worker counters >/dev/null
    done
    for process in west-worker-forwarder west-worker-agent; do
        expect_that "$process lives" "a living process" pid_of "$process"
        group=$(grep -F -- "-$process" "$STATE/groups" | tail -n 1)
        used=$(cat "$group"/memory.{max_usage_in_bytes,peak} 2>/dev/null | head -n 1) || true
        show_output "it took $(( used / 1024 )) KB, and was stopped at its limit $(
            cat "$group/memory.failcnt" 2>/dev/null || awk '$1 == "max" { print $2 }' "$group/memory.events") times"
        expect_that "its memory was counted" "more than nothing" test "$used" -gt 0
        release_memory "$process"
    done
}

# memory_group <process>: makes one.
memory_group() {
    local group
    for group in /sys/fs/cgroup/memory "$(awk '$9 == "cgroup2" { print $5; exit }' /proc/self/mountinfo)"; do
        [[ -n $group && -d $group ]] || continue
        group+=/cmesh-lab-$LAB_ID-$1
        mkdir "$group" 2>/dev/null || continue
        if [[ -e $group/$(memory_limit "$group") ]]; then
            printf '%s\n' "$group" | tee -a "$STATE/groups"
            return 0
        fi
        rmdir "$group"
    done
    return 1
}

memory_limit() { if [[ $1 == /sys/fs/cgroup/memory/* ]]; then echo memory.limit_in_bytes; else echo memory.max; fi; }

release_memory() {
    local group
    group=$(grep -F -- "-$1" "$STATE/groups" | tail -n 1)
    if [[ $group == /sys/fs/cgroup/memory/* ]]; then echo -1 >"$group/memory.limit_in_bytes"; else echo max >"$group/memory.max"; fi
    cat "${group%/*}/cgroup.procs" >/dev/null
    pid_of "$1" >"${group%/*}/cgroup.procs"
    wait_for 5 rmdir "$group" 2>/dev/null || true
}

# chaos_random: several at once, as the dice say; forwarders and agents are killed and replaced while the wire is bad.
chaos_random() {
    local round rounds=$(( PAUSE * 2 )) loss delay reorder corrupt number
    for (( round = 1; round <= rounds; round++ )); do
        throw_dice 3; loss=$ROLLED
        throw_dice 15; delay=$ROLLED
        throw_dice 6; reorder=$ROLLED
        throw_dice 2; corrupt=$ROLLED
        set_wire clusters loss "$loss" delay "$delay" reorder "$reorder" corrupt "$corrupt"
        for number in 1 2; do
            throw_dice 7
            case $ROLLED in
                0) end_forwarder KILL west-worker; start_forwarders west-worker ;;
                1) replace_forwarder east-worker ;;
                2) end_agent east-worker; start_agents east-worker ;;
                3) signal KILL west-clustermesh-apiserver-etcd ;;
                4) flap net west-cp 2 ;;
                5) flap net west-worker 2 ;;
                6) write_slices; apply_changing west 1; apply_changing west 2 ;;
            esac
        done
        sleep 1
    done
    set_wire clusters
    wait_for_mesh
}
