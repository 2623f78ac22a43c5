# shellcheck shell=bash
# acceptance.sh: longer checks with real traffic, and what a forwarder does when it is stopped, killed, doubled or misled.
# Run as ./run-lab.sh acceptance [--short], in a world of its own whose clusters are connected.

acceptance() {
    if [[ $1 == short ]]; then
        # 5,000 over four leaves each 1,250 with a standard deviation of 31: 10 % is four of them.
        many_connections 5000 10
        long_stream 5
        offload_pairs 4
        overload 12
    else
        # Here 5 % is nine standard deviations.
        many_connections 100000 5
        long_stream 60
        offload_pairs 64
        overload 600
    fi
    services_told
    idle_processor 10
    paths
    second_forwarder
    bad_node_file
    terminate_and_restart
    kill_and_restart
    if [[ $1 == short ]]; then several_workers 2 5000 10 5; else several_workers 2 100000 5 60; fi
    lose_a_pod
}

# run_long <name> <place> <limit in seconds> <command...>: in the background, so that a signal need not wait for it.
run_long() {
    local name=$1 place=$2 limit=$3 began=$SECONDS next=0; shift 3
    show_command "$place" "$@"
    rm -f "$STATE/log/$name.log"
    start "$name" "$place" timeout -k 5 "$limit" "$@"
    local pid=$STARTED
    until is_gone "$name"; do
        if [[ -t 1 ]] || (( SECONDS - began >= next )); then
            progress "$name, $(( SECONDS - began )) s"
            next=$(( next + 10 ))
        fi
        sleep 0.5
    done
    RC=0
    wait "$pid" || RC=$?
    OUT=$(cat "$STATE/log/$name.log")
    rm -f "$STATE/pid/$name"
}

# many_connections <count> <tolerance in per cent>
many_connections() {
    heading "Acceptance: $1 short connections through the ClusterIP"
    local pod before=() after=() index
    local webpods=(west-webpod-1 west-webpod-2 east-webpod-1 east-webpod-2)
    for pod in "${webpods[@]}"; do before+=("$(requests_of "$pod")"); done
    run_long ab west-curl-pod 300 ab -l -n "$1" -c 32 "http://${VIP[west]}/"
    for pod in "${webpods[@]}"; do after+=("$(requests_of "$pod")"); done
    show_output "$(grep -E '^(Complete requests|Failed|Non-2xx|Requests per|Time taken|apr_|Total of)' <<<"$OUT" || true)"
    expect "ab ends well" "exit code 0" "exit code $RC"
    expect "every connection is answered" "$1 complete, 0 failed, 0 not 2xx" \
        "$(figure 'Complete requests') complete, $(figure 'Failed requests') failed, $(figure 'Non-2xx responses') not 2xx"
    local spread='' uneven='' share
    for index in "${!webpods[@]}"; do
        share=$(( after[index] - before[index] ))
        spread+="${webpods[index]} $share  "
        # Off by more than the tolerance: |share * 4 - count| * 100 > tolerance * count.
        local off=$(( share * 4 - $1 ))
        (( ${off#-} * 100 <= $2 * $1 )) || uneven+="${webpods[index]} $share  "
    done
    show_output "$spread"
    expect "each of the four backends has a quarter of them, $2 % more or less" "none off" "${uneven:-none off}"
}

# figure <name>: a number of ab's report; ab leaves out what is zero.
figure() { awk -F: -v name="$1" '$1 == name { found = $2 + 0 } END { print found + 0 }' <<<"$OUT"; }

# long_stream <seconds>
long_stream() {
    heading "Acceptance: a stream across the clusters for $1 s"
    local drops allocated dropped='[.[] | select(.scope == "drop" and .counter == "packets") | .value] | add // 0'
    apply_file west-worker "$ROOT/lab/acceptance/iperf.yaml"
    start iperf3-server east-webpod-1 iperf3 -s
    wait_for 5 listens east-webpod-1 5201 || fail "iperf3 listens" "port 5201" "$(cat "$STATE/log/iperf3-server.log")"
    drops=$(each_node "$dropped" counters)
    allocated=$(each_node .workerAllocatedBytes status)
    run_long iperf3 west-curl-pod $(( $1 + 15 )) iperf3 -c 10.2.52.1 -p 5201 -t "$1" -i 1 -J
    expect "iperf3 ends well" "exit code 0" "exit code $RC"
    local speed='"\(.end.sum_received.bits_per_second / 1e6 | round) Mbit/s, \(.end.sum_sent.retransmits) retransmits"'
    show_output "$(jq -r "$speed" <<<"$OUT" 2>&1)"
    expect "no second without a byte" "$1 seconds, 0 empty" \
        "$(jq -r '"\(.intervals | length) seconds, \([.intervals[] | select(.sum.bytes == 0)] | length) empty"' <<<"$OUT" 2>&1)"
    expect_unchanged "no drop is counted" "$drops" "$(each_node "$dropped" counters)"
    expect_unchanged "the workers allocate nothing" "$allocated" "$(each_node .workerAllocatedBytes status)"
    stop iperf3-server
}

# expect_unchanged <what> <before> <after>: figures of each node; a question that failed twice in the same words is no figure.
expect_unchanged() {
    if [[ $2 =~ ^([a-z-]+=[0-9]+ ){${#NODES[@]}}$ ]]; then expect "$@"; else fail "$1" "a figure of each node" "$2"; fi
}

# each_node <jq filter> <arguments...>: one figure a node.
each_node() {
    local node
    for node in "${NODES[@]}"; do printf '%s=%s ' "$node" "$(json "$node" "$@" 2>&1)"; done
}

# idle_processor <seconds>: utime and stime of each forwarder (proc(5), stat, fields 14 and 15) while nothing happens.
idle_processor() {
    heading "Acceptance: processor time of idle forwarders"
    local node busy='' before=() index=0 ticks
    for node in "${NODES[@]}"; do before+=("$(ticks_of "$node")"); done
    progress "measuring for $1 s"
    sleep "$1"
    for node in "${NODES[@]}"; do
        ticks=$(( $(ticks_of "$node") - before[index++] ))
        show_output "$node: $(awk -v ticks="$ticks" -v hz="$(getconf CLK_TCK)" 'BEGIN { printf "%.2f", ticks / hz }') s in $1 s"
        (( ticks * 100 < $1 * $(getconf CLK_TCK) )) || busy+="$node $ticks ticks  "
    done
    expect "each uses less than 1 %" "none uses more" "${busy:-none uses more}"
}

ticks_of() {
    local stat fields
    stat=$(cat "/proc/$(pid_of "$1-forwarder")/stat")
    read -ra fields <<<"${stat##*) }"
    printf '%s\n' $(( fields[11] + fields[12] ))
}

# see_forwarder <node file>: a forwarder in the foreground that ought to refuse.
see_forwarder() {
    show_command machine cmesh-forwarder --config "$1"
    RC=0
    OUT=$(timeout --foreground -k 5 10 "$FORWARDER" --config "$1" 2>&1 </dev/null) || RC=$?
    show_output "$OUT"
    show_output "exit code $RC"
}

second_forwarder() {
    heading "Acceptance: a second forwarder for the same node"
    see_forwarder "$STATE/nodes/west-worker.yaml"
    # 124 is timeout's own: it was not refused but ran on.
    expect_that "it is refused" "exit code 1 to 123" test "$RC" -gt 0 -a "$RC" -lt 124
    expect_line "with a sentence" '[a-z]+ [a-z]+' "a line of words"
    expect_ping west-curl-pod east-curl-pod 62
}

bad_node_file() {
    heading "Acceptance: a node file that makes no sense"
    sed "s|@LAB@|$LAB_ID|g" "$ROOT/lab/acceptance/bad-node.yaml" >"$STATE/nodes/bad-node.yaml"
    see_forwarder "$STATE/nodes/bad-node.yaml"
    expect "it is refused with exit code 2" "exit code 2" "exit code $RC"
    expect_line "with a sentence" '[a-z]+ [a-z]+' "a line of words"
}

# end_forwarder <signal> <node>: sets RC to its exit code.
end_forwarder() {
    local pid
    pid=$(pid_of "$2-forwarder") || { RC='none, it was dead before'; return 0; }
    show_command machine kill "-$1" "$pid"
    RC=0
    # The shell's own remark about a killed job is not wanted.
    {
        kill "-$1" "$pid"
        wait_for 10 is_gone "$2-forwarder" || kill -KILL "$pid"
        wait "$pid" || RC=$?
    } 2>/dev/null
    rm -f "$STATE/pid/$2-forwarder"
}

terminate_and_restart() {
    heading "Acceptance: SIGTERM to a forwarder"
    end_forwarder TERM west-worker
    expect "it ends cleanly" "exit code 0" "exit code $RC"
    wait_for 2 taps_are_gone || true
    expect "its TAPs are gone" "none left" "$(taps_left)"
    start_forwarders west-worker
    connect_node west-worker
    expect_ping west-curl-pod east-curl-pod 62
}

# taps_left: which of west-worker's interfaces exist, by namespace.
taps_left() {
    local place left=''
    for place in west-worker west-curl-pod west-webpod-1 west-webpod-2; do
        if ip -n "$LAB_ID-$place" link show dev eth0 >/dev/null 2>&1; then left+="$place "; fi
    done
    if ip -n "$LAB_ID-net" link show dev west-worker >/dev/null 2>&1; then left+="net "; fi
    printf '%s\n' "${left:-none left}"
}

taps_are_gone() { [[ $(taps_left) == 'none left' ]]; }

kill_and_restart() {
    heading "Acceptance: SIGKILL to a forwarder"
    end_forwarder KILL west-worker
    start_forwarders west-worker
    connect_node west-worker
    expect_ping west-curl-pod east-curl-pod 62
    expect_ping east-curl-pod west-webpod-1 62
}

lose_a_pod() {
    heading "Acceptance: a pod's namespace is deleted"
    local rest
    rest=$(words "$LAB_ID-west-worker $LAB_ID-net $LAB_ID-west-curl-pod $LAB_ID-west-webpod-1 $LAB_ID-west-clustermesh-apiserver")
    stop west-webpod-2-nginx
    show_command machine ip netns del "$LAB_ID-west-webpod-2"
    ip netns del "$LAB_ID-west-webpod-2"
    wait_for 10 ports_are "$rest" || true
    expect "only its port is down" "up: $rest" "up: $(ports_up)"
    expect_that "the forwarder goes on" "a living process" pid_of west-worker-forwarder
    expect_ping west-curl-pod east-curl-pod 62
    expect_ping west-curl-pod west-webpod-1 63
}

# ports_up: the namespaces of west-worker's ports that are up.
ports_up() { words "$(json west-worker '.ports[] | select(.state | startswith("up")) | .namespace | sub(".*/"; "")' status 2>&1)"; }

ports_are() { [[ $(ports_up) == "$1" ]]; }
