# shellcheck shell=bash
# steady.sh: traffic with known contents that goes on whatever happens, and what was lost of it: native/steady.c. In each cluster a curl-pod has
# long connections, paced datagrams and short requests under way to services, to a pod of the other cluster and to the outside.

STEADY=$ROOT/native/build/steady
BADWIRE=$ROOT/native/build/badwire

# Long connections of both clusters, three of five to a service; datagrams a second of both, a sixth in each stream.
STEADY_COUNT=80
STEADY_RATE=3000

declare -A ECHO_VIP=([west]=10.2.99.7 [east]=10.3.99.7)

build_traffic() {
    local native=$ROOT/native
    mkdir -p "$native/build"
    gcc -O2 -Wall -Wextra -Werror -o "$native/build/steady" "$native"/steady*.c &&
        gcc -O2 -Wall -Wextra -Werror -o "$native/build/badwire" "$native/badwire.c" &&
        gcc -O2 -Wall -Wextra -Werror -shared -fPIC -o "$native/build/clockjump.so" "$native/clockjump.c" || die 1 "the programs of native do not compile"
}

# start_echoes: in every webpod and outside.
start_echoes() {
    local place
    for place in outside {west,east}-webpod-{1,2}; do start_echo "$place"; done
}

start_echo() {
    start "echo-$1" "$1" "$STEADY" serve 7007
    wait_for 5 listens "$1" 7007 || die 1 "nobody echoes in $1: $(log_tail "echo-$1")"
}

# start_steady <cluster> [place]: in its curl-pod unless given.
start_steady() {
    local few=$(( STEADY_COUNT / 10 )) rate=$(( STEADY_RATE / 6 )) vip=${ECHO_VIP[$1]} far=${ADDRESS[${OTHER[$1]}-webpod-1]} outside=${ADDRESS[outside]}
    start "steady-$1" "${2:-$1-curl-pod}" "$STEADY" run --tcp "$vip:7007:$(( 3 * few ))" --tcp "$far:7007:$few" --tcp "$outside:7007:$few" \
        --udp "$vip:7007:$rate" --udp "$far:7007:$rate" --udp "$outside:7007:$rate" --http "${VIP[$1]}:80:10"
    STEADY_LINES[$1]=$(wc -l <"$STATE/log/steady-$1.log")
}

declare -A STEADY_LINES=()

has_said() { (( $(wc -l <"$STATE/log/steady-$1.log") > STEADY_LINES[$1] )); }

# close_window: sets WINDOW to what happened since the last one, of both clusters together.
close_window() {
    local cluster
    for cluster in west east; do
        pid_of "steady-$cluster" >/dev/null || die 1 "the traffic of $cluster has ended: $(log_tail "steady-$cluster")"
        STEADY_LINES[$cluster]=$(wc -l <"$STATE/log/steady-$cluster.log")
        signal USR1 "steady-$cluster"
    done
    for cluster in west east; do wait_for 20 has_said "$cluster" || die 1 "the traffic of $cluster says nothing: $(log_tail "steady-$cluster")"; done
    WINDOW=$(tail -qn 1 "$STATE"/log/steady-{west,east}.log | jq -sc '{
        seconds: (map(.seconds) | max), connections: (map(.connections) | add), lost: (map(.lost) | add), bytes: (map(.bytes) | add),
        wrong: (map(.wrongBytes + .wrongDatagrams) | add), gapMs: (map(.gapMs) | max), datagrams: (map(.datagrams) | add),
        missing: (map(.datagrams - .answered) | add), duplicate: (map(.duplicate) | add), late: (map(.late) | add), p50Ms: (map(.p50Ms) | max),
        p99Ms: (map(.p99Ms) | max), p999Ms: (map(.p999Ms) | max), datagramGapMs: (map(.datagramGapMs) | max), requests: (map(.requests) | add),
        failed: (map(.failed) | add), reason: (map(.reason) | map(select(. != "")) | join(", ")) }')
}

# of_window <jq filter>
of_window() { jq -r "$1" <<<"$WINDOW"; }

window_text() {
    of_window '"\(.connections) connections, \(.lost) lost, \(.bytes / 1e6 | floor) MB, \(.wrong) wrong, longest gap \(.gapMs) ms; "
        + "\(.datagrams) datagrams, \(.missing) missing, \(.duplicate) twice, \(.late) late, p50 \(.p50Ms) p99.9 \(.p999Ms) ms; \(.requests) requests, \(.failed) failed"
        + (if .reason != "" then "; last: \(.reason)" else "" end)'
}

# counted_losses: every drop that forwarders and TAPs have counted, a line for each source; a node that cannot be asked has none.
counted_losses() {
    local node place
    for node in "${NODES[@]}"; do
        json "$node" '"forwarder-'"$node"' \([.[] | select(.scope == "drop" and .counter == "packets") | .value] | add // 0)"' counters 2>/dev/null || true
    done
    for place in "${PODS[@]}" "${NODES[@]}" outside net; do
        ip -n "$LAB_ID-$place" -s -j link show 2>/dev/null | jq -r '.[] | "'"$place"'/\(.ifname) \(.stats64 | .tx.dropped + .rx.dropped)"' || true
    done
}

# losses_since <counted before>: one number. What counts less than before has begun anew.
losses_since() {
    awk 'NR == FNR { before[$1] = $2; next } { sum += $2 - ($2 >= before[$1] ? before[$1] : 0) } END { print sum + 0 }' <(printf '%s\n' "$1") <(counted_losses)
}

# drops_by_reason: of all forwarders since they started.
drops_by_reason() {
    local node
    for node in "${NODES[@]}"; do json "$node" '.[] | select(.scope == "drop" and .counter == "packets" and .value > 0) | "\(.value) \(.name)"' counters 2>/dev/null; done |
        awk '{ number = $1; $1 = ""; sum[$0] += number } END { for (name in sum) printf "%d%s\n", sum[name], name }' | sort -rn
}
