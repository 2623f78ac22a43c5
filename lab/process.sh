# shellcheck shell=bash
# process.sh: processes of a world. Each writes its own pid and start time before it becomes the program, so that nothing started
# goes unrecorded however the script ends, and a pid that the kernel has given to somebody else since is never signalled. One that cannot write
# its record, for its world is being taken away, does not become the program. Each also carries the world's id in its environment, and hands it
# on to what it starts: a forwarder's keeper, a server's children.

# start_time <pid>: sets START_TIME to when the process began, in ticks since boot; fails for one that is gone or a zombie (proc(5), stat,
# fields 3 and 22). No command is run for it: a Ctrl-C could kill that and leave a record without a time.
start_time() {
    local stat fields
    { read -r stat <"/proc/$1/stat"; } 2>/dev/null || return 1
    read -ra fields <<<"${stat##*) }"
    [[ ${fields[0]} != Z ]] || return 1
    START_TIME=${fields[19]}
}

# Before a command: it gets only processor time that nobody wants. SCHED_IDLE and nice count within a session where the kernel weighs sessions first
# (sched(7), autogroup), and each process that is started here has one of its own: so its session is made nice, too.
# shellcheck disable=SC2016
IDLY=(bash -c '[[ ! -e /proc/self/autogroup ]] || echo 19 >/proc/self/autogroup; exec chrt -i 0 "$@"' idly)

# start <name> <place, or - for none> <command...>: in the background, detached from the terminal, log in $STATE/log.
start() {
    local name=$1 place=$2; shift 2
    local -a inside=()
    [[ $place == - ]] || inside=(ip netns exec "$LAB_ID-$place")
    rm -f "$STATE/pid/$name"
    (
        # Said in so many words: whoever calls us in a condition has switched errexit off for all that is below.
        self=$BASHPID
        start_time "$self" || exit 1
        { printf '%s %s\n' "$self" "$START_TIME" >"$STATE/pid/$name"; } 2>/dev/null || exit 1
        export CMESH_LAB_WORLD=$LAB_ID
        exec setsid "${inside[@]}" "$@" </dev/null >>"$STATE/log/$name.log" 2>&1
    ) &
    STARTED=$!
    wait_for 5 test -s "$STATE/pid/$name" || die 1 "could not start $name"
}

# pid_of <name>: the pid while it still is the process that was started.
pid_of() {
    local pid started
    { read -r pid started <"$STATE/pid/$1"; } 2>/dev/null || return 1
    start_time "$pid" && [[ $START_TIME == "$started" ]] || return 1
    printf '%s\n' "$pid"
}

is_gone() { ! pid_of "$1" >/dev/null; }

# signal <signal> <name>
signal() {
    local pid
    pid=$(pid_of "$2") || return 0
    kill "-$1" "$pid" 2>/dev/null || true
}

# stop <name...>: politely, then not.
stop() {
    local name
    for name; do
        # One that is just being started has its record opened but not yet written.
        wait_for 1 test -s "$STATE/pid/$name" || true
        signal TERM "$name"
    done
    for name; do
        if ! wait_for 5 is_gone "$name"; then
            signal KILL "$name"
            wait_for 5 is_gone "$name" || complain "process $name does not go away"
        fi
        rm -f "$STATE/pid/$name"
    done
}

# stop_all: until no record is left; one that comes in meanwhile keeps rmdir from succeeding. Who starts others goes first, or it would start
# again what it sees end. Then whoever still carries the world's id.
stop_all() {
    local -a names
    while [[ -d $STATE/pid ]] && ! rmdir "$STATE/pid" 2>/dev/null; do
        mapfile -t names < <(find "$STATE/pid" -name 'kubelet-*' -printf '%f\n' 2>/dev/null)
        stop "${names[@]}"
        mapfile -t names < <(ls "$STATE/pid" 2>/dev/null)
        stop "${names[@]}"
    done
    end_marked
}

# marked_processes: those that carry the world's id, whoever lost their records. Not ourselves, nor who waits for us.
marked_processes() {
    local file pid
    { grep -lzxF "CMESH_LAB_WORLD=$LAB_ID" /proc/[0-9]*/environ 2>/dev/null || true; } | while read -r file; do
        pid=${file//[!0-9]/}
        if (( pid != $$ && pid != PPID && pid != BASHPID )) && start_time "$pid"; then printf '%s\n' "$pid"; fi
    done
}

nobody_is_marked() { [[ -z $(marked_processes) ]]; }

end_marked() {
    local -a pids
    mapfile -t pids < <(marked_processes)
    (( ${#pids[@]} )) || return 0
    kill -TERM "${pids[@]}" 2>/dev/null || true
    wait_for 3 nobody_is_marked && return 0
    mapfile -t pids < <(marked_processes)
    kill -KILL "${pids[@]}" 2>/dev/null || true
    wait_for 5 nobody_is_marked || complain "these processes do not go away: $(marked_processes | paste -sd' ' -)"
}

# wait_for <seconds> <command...>: until it succeeds; false when the time is over.
wait_for() {
    local deadline=$(( $(milliseconds) + $1 * 1000 )); shift
    until "$@"; do
        (( $(milliseconds) < deadline )) || return 1
        sleep 0.02
    done
}
