# shellcheck shell=bash
# chaos-lab.sh: what happens to the lab itself: killed, doubled, taken away from elsewhere. Part of ./run-lab.sh chaos. Worlds lie beside that of
# the run, under an id of their own.

# lab_itself <short or full>
lab_itself() {
    local other=${LAB_ID}o checkout rounds=6 round
    heading "Chaos: lab_itself, run-lab.sh is killed at any moment, started twice and told to clean up from another checkout"
    starts_nothing_unrecorded
    [[ $1 == full ]] || return 0
    checkout=$(mktemp -d)
    cp -r "$ROOT/run-lab.sh" "$ROOT/lab" "$checkout/"
    mkdir "$checkout/bin" "$checkout/src"
    cp -as "$ROOT"/bin/. "$checkout/bin/"
    cp "$ROOT/global.json" "$ROOT"/*.props "$checkout/"
    # A file of its own: the link's would be this checkout's stamp, and make what is old there pass for fresh.
    rm "$checkout/bin/.built"
    touch "$checkout/bin/.built"
    two_at_once "$other" "$checkout"
    for (( round = 1; round <= rounds; round++ )); do
        throw_dice 9000
        killed_after "$other" "$ROLLED" "$checkout"
    done
    rm -rf "$checkout"
}

# starts_nothing_unrecorded: what is started while its world goes away does not start; a kubelet does that in the middle of a condition, where the
# shell goes on behind a failed line. Two dnsmasq outlived their world by this.
starts_nothing_unrecorded() {
    local left
    OUT=$(
        LAB_ID=${LAB_ID}n
        STATE=$(mktemp -d)
        mkdir "$STATE/log"
        trap 'rm -rf "$STATE"' EXIT
        start_in_condition() { start nothing - sleep 77 || true; }
        (start_in_condition || true) 2>&1
        marked_processes
    ) || true
    left=$(CMESH_LAB_WORLD='' LAB_ID=${LAB_ID}n marked_processes | paste -sd' ' -)
    expect "what cannot be recorded is not started" "no process" "${left:-no process}"
}

# lab_in <checkout> <id> <arguments...>
lab_in() {
    local checkout=$1 id=$2; shift 2
    CMESH_LAB_ID=$id timeout 180 bash "$checkout/run-lab.sh" "$@"
}

# two_at_once <id> <checkout>
two_at_once() {
    local first=0 second=0 code checkout=$2
    lab_in "$ROOT" "$1" up --unconnected >"$checkout/first" 2>&1 & first=$!
    lab_in "$2" "$1" up --unconnected >"$checkout/second" 2>&1 & second=$!
    local -a codes=()
    for code in "$first" "$second"; do
        if wait "$code"; then codes+=(0); else codes+=($?); fi
    done
    expect "of two at once, one comes up" "0 1" "$(printf '%s\n' "${codes[@]}" | sort | paste -sd' ' -)"
    OUT=$(cat "$checkout/$( (( codes[0] == 0 )) && echo second || echo first)")
    show_output "$OUT"
    expect_line "the other is refused with a sentence" "^run-lab.sh: the world '$1' is (at work under process [0-9]+|up already)" "a sentence that names the process"
    take_away "$1" "$2" "down from another checkout"
}

# killed_after <id> <milliseconds> <checkout>
killed_after() {
    local pid checkout=$3
    CMESH_LAB_ID=$1 setsid bash "$ROOT/run-lab.sh" up >"$checkout/killed" 2>&1 </dev/null & pid=$!
    sleep "$(awk -v ms="$2" 'BEGIN { printf "%.3f", ms / 1000 }')"
    kill -KILL "$pid" 2>/dev/null || true
    { wait "$pid" || true; } 2>/dev/null
    take_away "$1" "$3" "killed after $2 ms"
}

# take_away <id> <checkout> <what>
take_away() {
    local code=0
    OUT=$(lab_in "$2" "$1" down 2>&1) || code=$?
    show_output "$OUT"
    expect "$3: down takes it away" "exit code 0, nothing is left" "exit code $code, $(left_of "$1")"
}

# left_of <id>: namespaces, processes by their command line or what they carry, directories, mounts.
left_of() {
    local left
    left=$(
        ip netns list | grep -o "^$1-[a-z0-9-]*" || true
        pgrep -af "cmesh-lab-$1/|kubelet.sh $1 |cmesh-$1/" | grep -v pgrep || true
        LAB_ID=$1 marked_processes
        find /run /dev/shm /etc/netns -maxdepth 1 \( -name "cmesh-lab-$1" -o -name "cmesh-$1" -o -name "$1-*" \) 2>/dev/null
        grep -F "cmesh-lab-$1" /proc/self/mountinfo || true
    )
    printf '%s\n' "${left:-nothing is left}"
}
