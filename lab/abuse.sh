# shellcheck shell=bash
# abuse.sh: what clients that mean harm cost packets. Run as ./run-lab.sh abuse [--short], in a world of its own with agents.
#
# A pod of one cluster sends paced datagrams to a pod of the other, which echoes them. In turns they are left alone, and forwarder and agent of the
# sender's node get malformed requests and every other kind of client that means harm (tests/Benchmarks/Abuse). The abuser gets only processor
# time that nobody wants: what the datagrams lose, they lose by what it does to the two processes.

ABUSER=$ROOT/tests/Benchmarks/bin/Release/net10.0/ClusterMesh.Datapath.Benchmarks
ABUSED=west-worker

# Datagrams a second.
PROBE_RATE=2000

# Between the first round's end and the last's. Garbage of up to 128 MiB is not collected while packets pass (QuietCollector), and up to 64 MiB of buffers wait
# for the next long line.
MOST_ABUSE_GROWTH_KILOBYTES=$(( 192 * 1024 ))

# abuse <rounds> <malformed requests of a round to each of the two> <seconds of quiet>
abuse() {
    local round quiet=() under=() files growth process
    local -A before=()
    start_echo east-webpod-1
    start probe west-curl-pod "$STEADY" run --udp "${ADDRESS[east-webpod-1]}:7007:$PROBE_RATE"
    sleep 1
    probe_window >/dev/null
    for (( round = 0; round < $1; round++ )); do
        heading "Abuse: round $(( round + 1 )) of $1"
        sleep "$3"
        quiet+=("$(probe_window)")
        show_output "left alone: $(probe_text "${quiet[-1]}")"
        abuse_once "$2" "$round"
        under+=("$(probe_window)")
        show_output "under abuse: $(probe_text "${under[-1]}")"
        expect "every malformed request was answered, and every client ended" "exit code 0" "exit code $RC"
        for process in forwarder agent; do
            show_output "$process: $(resident "$process") kB, $(open_files "$process") files"
            if (( round == 0 )); then before[$process]="$(resident "$process") $(open_files "$process")"; fi
        done
    done
    heading "Abuse: afterwards"
    for process in forwarder agent; do
        read -r growth files <<<"${before[$process]}"
        wait_for 30 has_files "$process" "$files" || true
        expect_that "the $process has no more open files than after the first round" "at most $files, not $(open_files "$process")" has_files "$process" "$files"
        growth=$(( $(resident "$process") - growth ))
        show_output "$process: $growth kB more than after the first round"
        expect_that "the $process's memory is flat" "at most $MOST_ABUSE_GROWTH_KILOBYTES kB more, not $growth" test "$growth" -le "$MOST_ABUSE_GROWTH_KILOBYTES"
    done
    judge_latency "$(of_probes "${quiet[@]}")" "$(of_probes "${under[@]}")"
    see_cmesh "$ABUSED" status
    expect "the forwarder answers" "exit code 0" "exit code $RC"
    expect "it is the same process" "$(pid_of "$ABUSED-forwarder")" "$(answering_forwarder "$ABUSED")"
    OUT=$("$CMESH" clustermesh status --context west 2>&1) && RC=0 || RC=$?
    expect "the agent answers" "exit code 0" "exit code $RC"
    expect_that "the agent lives" "its process" pid_of "$ABUSED-agent"
    stop probe echo-east-webpod-1
    expect_ping west-curl-pod east-curl-pod 62
}

# abuse_once <requests> <seed>
abuse_once() {
    local sockets
    sockets=$(socket_directory "$ABUSED")
    show_command machine benchmarks abuse "$sockets/control.sock" "$sockets/agent.sock" --requests "$1" --seed "$2"
    rm -f "$STATE/log/abuser.log"
    start abuser - "${IDLY[@]}" "$ABUSER" abuse "$sockets/control.sock" "$sockets/agent.sock" --requests "$1" --seed "$2"
    RC=0
    wait "$STARTED" || RC=$?
    rm -f "$STATE/pid/abuser"
    OUT=$(cat "$STATE/log/abuser.log")
    show_output "$(jq -r '"\(.socket | split("/")[-1]): \(.answered) answered, \(.rate)/s, \(.parted) connections ended for it; turns of others: \(.turns | to_entries | map("\(.key) \(.value)") | join(", "))"' <<<"$OUT" 2>&1)"
}

# probe_window: what happened to the datagrams since the last one, as JSON.
probe_window() {
    local lines
    lines=$(wc -l <"$STATE/log/probe.log")
    signal USR1 probe
    wait_for 20 probe_has_said "$lines" || die 1 "the probe says nothing: $(log_tail probe)"
    tail -n 1 "$STATE/log/probe.log"
}

probe_has_said() { (( $(wc -l <"$STATE/log/probe.log") > $1 )); }

probe_text() { jq -r '"\(.datagrams) datagrams, \(.datagrams - .answered) missing; p50 \(.p50Ms), p99 \(.p99Ms), p99.9 \(.p999Ms) ms, longest gap \(.datagramGapMs) ms"' <<<"$1"; }

# of_probes <window...>: medians of all, and what was lost.
of_probes() {
    printf '%s\n' "$@" | jq -sc 'def median: sort | (.[(length - 1) / 2 | floor] + .[length / 2 | floor]) / 2;
        {p50: (map(.p50Ms) | median), p99: (map(.p99Ms) | median), p999: (map(.p999Ms) | median), missing: (map(.datagrams - .answered) | add), wrong: (map(.wrongDatagrams) | add)}'
}

# judge_latency <of quiet> <of abuse>
judge_latency() {
    OUT="left alone $1, under abuse $2"
    show_output "medians: $OUT"
    expect "no datagram is wrong" "0" "$(jq .wrong <<<"$2")"
    expect_that "p99.9 under abuse is at most twice that of quiet" "at most 2 x $(jq .p999 <<<"$1") ms" jq -en "$2.p999 <= 2 * $1.p999"
}

resident() { awk '$1 == "VmRSS:" { print $2 }' "/proc/$(pid_of "$ABUSED-$1")/status"; }

open_files() { find "/proc/$(pid_of "$ABUSED-$1")/fd" -mindepth 1 2>/dev/null | wc -l; }

# has_files <process> <most>
has_files() { (( $(open_files "$1") <= $2 )); }

build_abuser() {
    local log code=0
    log=$(mktemp)
    with_clock "building the abuser" "$log" dotnet build "$ROOT/tests/Benchmarks" -c Release --nologo -v quiet || code=$?
    (( code == 0 )) || tail -n 40 "$log" >&2
    rm -f "$log"
    (( code == 0 )) || die 1 "the abuser does not build"
}

command_abuse() {
    # A million in all, to two processes.
    local rounds=5 requests=100000 rest=20
    case ${1:-} in
        '') ;;
        --short) rounds=3 requests=4000 rest=4 ;;
        *) die 2 "abuse knows --short, not '$1'" ;;
    esac
    choose_own_world
    build_traffic
    build_abuser
    world_up mesh
    deploy west
    deploy east
    enable_mesh
    connect_mesh
    abuse "$rounds" "$requests" "$rest"
    conclude
}
