# shellcheck shell=bash
# bench-measures.sh: each measure_… takes a world and leaves one JSON object of figures in OUT; when it fails, a sentence.

NETLOAD=$ROOT/native/build/netload

# processor_milliseconds: what all processors of the machine have worked since boot, for anybody and for interrupts (proc(5), stat).
processor_milliseconds() {
    awk -v hz="$(getconf CLK_TCK)" '$1 == "cpu" { printf "%d\n", ($2 + $3 + $4 + $7 + $8) * 1000 / hz }' /proc/stat
}

# target_of <world> <near, far or service>: a null forwarder knows no services.
target_of() {
    case ${FAMILY[$1]}-$2 in
        ipv6-near) printf '%s\n' "$NEAR6" ;;
        ipv6-far) printf '%s\n' "$FAR6" ;;
        ipv6-service) printf '%s\n' "$SERVICE6" ;;
        *-near) printf '%s\n' "$NEAR" ;;
        *-far) printf '%s\n' "$FAR" ;;
        *-service) if [[ ${KIND[$1]} == null ]]; then printf '%s\n' "$FAR"; else printf '%s\n' "$SERVICE"; fi ;;
    esac
}

# run_tool <place or -> <seconds> <command...>: sets OUT to what it says, or to why it failed. In the background, so that a signal need
# not wait for it; iperf3's client spins for ever when its server is gone, hence the limit.
run_tool() {
    local place=$1 limit=$2 code=0; shift 2
    rm -f "$STATE/log/tool.log"
    start tool "$place" timeout -k 2 "$limit" "$@"
    wait "$STARTED" || code=$?
    rm -f "$STATE/pid/tool"
    OUT=$(cat "$STATE/log/tool.log")
    (( code == 0 )) && return 0
    OUT="$1: exit code $code: $(tail -n 3 "$STATE/log/tool.log" | tr -s '[:space:]' ' ')"
    return 1
}

# measure_tcp <world> <near, far or service> <streams>
measure_tcp() {
    local before spent
    before=$(processor_milliseconds)
    if ! run_tool "$1-west-client" $(( SECONDS_EACH + 10 )) iperf3 -c "$(target_of "$1" "$2")" -p "$STREAM_PORT" -P "$3" -t "$SECONDS_EACH" --connect-timeout 3000 -J; then
        renew_stream_servers "$1"
        return 1
    fi
    spent=$(( $(processor_milliseconds) - before ))
    OUT=$(jq -c --argjson spent "$spent" 'if (.end.sum_received.bytes // 0) == 0 then error("iperf3 received nothing") else .end | {
        gigabitsPerSecond: (.sum_received.bits_per_second / 1e9),
        retransmits: .sum_sent.retransmits,
        processorMillisecondsPerGigabit: ($spent / (.sum_received.bytes * 8 / 1e9)) } end' <<<"$OUT" 2>&1)
}

# A server whose client went away in the middle may take no other.
renew_stream_servers() {
    local side reason=$OUT
    for side in west east; do
        stop "$1-$side-iperf3"
        start "$1-$side-iperf3" "$1-$side-server" iperf3 -s -p "$STREAM_PORT"
        wait_for 5 listens "$1-$side-server" "$STREAM_PORT" || true
    done
    OUT=$reason
}

# netload_on <world> <kind> <port> <arguments...>: from the client to the service.
netload_on() {
    local world=$1 kind=$2 port=$3; shift 3
    run_tool - 180 "$NETLOAD" "$kind" --from "$LAB_ID-$world-west-client" --at "$LAB_ID-$world-east-server" \
        --to "$(target_of "$world" service):$port" --seconds "$SECONDS_EACH" "$@"
}

# measure_udp <world> <arguments for netload...>
measure_udp() {
    local world=$1; shift
    netload_on "$world" udp "$PACKET_PORT" "$@" && OUT=$(jq -c '.lossPerMillion = .loss * 1e6' <<<"$OUT" 2>&1)
}

# measure_rr <world> <in flight>
measure_rr() {
    netload_on "$1" rr "$REQUEST_PORT" --in-flight "$2" && OUT=$(jq -c . <<<"$OUT" 2>&1)
}

# measure_http <world>
measure_http() {
    local before spent target most=$(( SECONDS_EACH * 60000 ))
    target=$(target_of "$1" service)
    [[ $target != *:* ]] || target="[$target]"
    before=$(processor_milliseconds)
    run_tool "$1-west-client" $(( SECONDS_EACH + 10 )) ab -q -l -t "$SECONDS_EACH" -n "$most" -c 32 "http://$target/" || return
    spent=$(( $(processor_milliseconds) - before ))
    local complete failed seconds
    complete=$(figure 'Complete requests') failed=$(( $(figure 'Failed requests') + $(figure 'Non-2xx responses') )) seconds=$(figure 'Time taken for tests')
    if (( complete == 0 || failed > 0 )); then
        OUT="ab: $complete answered, $failed failed"
        return 1
    fi
    OUT=$(jq -cn --argjson complete "$complete" --argjson seconds "$seconds" --argjson spent "$spent" \
        '{rate: ($complete / $seconds), processorMicrosecondsPerConnection: ($spent * 1000 / $complete)}' 2>&1)
}

# measure_program <world>: 10,000 services more, while requests run; then back to what was.
measure_program() {
    local code=0
    local -a command=("$CMESH" --socket "$STATE/nodes/$1-west.sock" apply -f "$STATE/services/many-10000.json")
    if [[ ${KIND[$1]} == kernel ]]; then command=(ip netns exec "$LAB_ID-$1-west-node" nft -f "$STATE/services/many-10000.nft"); fi
    netload_on "$1" rr "$REQUEST_PORT" -- "${command[@]}" || code=$?
    # What the command itself said comes first.
    OUT=$(tail -n 1 <<<"$OUT")
    (( code > 0 )) || OUT=$(jq -c '{commandMilliseconds, worstMilliseconds: (.worstMicroseconds / 1000)}' <<<"$OUT" 2>&1) || code=$?
    case ${KIND[$1]} in
        kernel) reset_services_kernel "$1" west ;;
        datapath) cmesh_of "$1-west" apply --replace -f "$STATE/services/few.json" >/dev/null ;;
    esac
    return "$code"
}
