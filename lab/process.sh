# shellcheck shell=bash
# process.sh: processes of a world. Each writes its own pid and start time before it becomes the program, so that nothing started
# goes unrecorded however the script ends, and a pid that the kernel has given to somebody else since is never signalled.

# start_time <pid>: sets START_TIME to when the process began, in ticks since boot; fails for one that is gone or a zombie (proc(5), stat,
# fields 3 and 22). No command is run for it: a Ctrl-C could kill that and leave a record without a time.
start_time() {
    local stat fields
    { read -r stat <"/proc/$1/stat"; } 2>/dev/null || return 1
    read -ra fields <<<"${stat##*) }"
    [[ ${fields[0]} != Z ]] || return 1
    START_TIME=${fields[19]}
}

# start <name> <place, or - for none> <command...>: in the background, detached from the terminal, log in $STATE/log.
start() {
    local name=$1 place=$2; shift 2
    local -a inside=()
    [[ $place == - ]] || inside=(ip netns exec "$LAB_ID-$place")
    rm -f "$STATE/pid/$name"
    (
        self=$BASHPID
        start_time "$self"
        printf '%s %s\n' "$self" "$START_TIME" >"$STATE/pid/$name"
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

# stop_all: until no record is left; one that comes in meanwhile keeps rmdir from succeeding.
stop_all() {
    local -a names
    [[ -d $STATE/pid ]] || return 0
    until rmdir "$STATE/pid" 2>/dev/null; do
        mapfile -t names < <(ls "$STATE/pid")
        stop "${names[@]}"
    done
}

# wait_for <seconds> <command...>: until it succeeds; false when the time is over.
wait_for() {
    local deadline=$(( $(milliseconds) + $1 * 1000 )); shift
    until "$@"; do
        (( $(milliseconds) < deadline )) || return 1
        sleep 0.02
    done
}
