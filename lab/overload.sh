# shellcheck shell=bash
# overload.sh: more packets than the path can take, for long: the forwarders' memory stays as it is and their sockets answer.
# Part of ./run-lab.sh acceptance; the clusters are connected.

FLOODED=(west-worker east-worker)

# What may lie between the second quarter of the time and the last: pages that the kernel counts late, not a leak.
MOST_GROWTH_KILOBYTES=2048

# Far above what an answer takes beside a worker that never sleeps, far below what a person calls stuck.
MOST_ANSWER_MILLISECONDS=1000

# overload <seconds>
overload() {
    heading "Acceptance: overload for $1 s"
    local allocated pid began
    build_netload
    apply_file west-worker "$ROOT/lab/acceptance/overload.yaml"
    allocated=$(each_node .workerAllocatedBytes status)
    show_command machine netload udp --to 10.2.52.2:5300 --count 1000 --seconds "$1"
    start netload - timeout -k 5 $(( $1 + 30 )) "$ROOT/native/build/netload" udp --from "$LAB_ID-west-curl-pod" --at "$LAB_ID-east-webpod-1" \
        --to 10.2.52.2:5300 --count 1000 --seconds "$1"
    pid=$STARTED
    : >"$STATE/log/overload-samples"
    began=$(milliseconds)
    until is_gone netload; do
        sample_forwarders $(( $(milliseconds) - began ))
        if [[ -t 1 ]]; then progress "overload, $(( ($(milliseconds) - began) / 1000 )) s"; fi
        sleep 0.5
    done
    RC=0
    wait "$pid" || RC=$?
    rm -f "$STATE/pid/netload"
    OUT=$(cat "$STATE/log/netload.log")
    judge_overload "$1" "$allocated"
}

# sample_forwarders <milliseconds since the beginning>: node, time, resident kilobytes, milliseconds that `cmesh status` took or `none`.
sample_forwarders() {
    local node asked answer resident
    for node in "${FLOODED[@]}"; do
        asked=$(milliseconds)
        if cmesh_on "$node" status >/dev/null 2>&1; then answer=$(( $(milliseconds) - asked )); else answer=none; fi
        resident=$(awk '$1 == "VmRSS:" { print $2 }' "/proc/$(pid_of "$node-forwarder")/status")
        printf '%s %d %d %s\n' "$node" "$1" "$resident" "$answer" >>"$STATE/log/overload-samples"
    done
}

judge_overload() {
    local node growth worst
    show_output "$(jq -r '"\(.sent) sent, \(.received) received, \(.rate | round)/s"' <<<"$OUT" 2>&1)"
    expect "the flood ends well" "exit code 0" "exit code $RC"
    expect_that "it was more than the path takes" "some of it lost, some received" jq -e '.loss > 0 and .received > 0' <<<"$OUT"
    for node in "${FLOODED[@]}"; do
        growth=$(awk -v node="$node" -v all="$1" '$1 == node {
                quarter = int($2 * 4 / (all * 1000)); sum[quarter] += $3; count[quarter]++ }
            END { if (count[1] && count[3]) printf "%d", sum[3] / count[3] - sum[1] / count[1]; else print "unknown" }' "$STATE/log/overload-samples")
        worst=$(awk -v node="$node" '$1 == node { if ($4 == "none") none = 1; else if ($4 > most) most = $4; count++ }
            END { if (none || !count) print "none"; else print most }' "$STATE/log/overload-samples")
        show_output "$node: $growth kB more in the last quarter than in the second; slowest of $(grep -c "^$node " "$STATE/log/overload-samples") answers: $worst ms"
        expect_that "$node's memory is flat" "at most $MOST_GROWTH_KILOBYTES kB more, not $growth" test "$growth" -le "$MOST_GROWTH_KILOBYTES"
        expect_that "$node's socket answers" "each time within $MOST_ANSWER_MILLISECONDS ms, not $worst" test "$worst" -le "$MOST_ANSWER_MILLISECONDS"
    done
    expect_unchanged "the workers allocate nothing" "$2" "$(each_node .workerAllocatedBytes status)"
    expect_ping west-curl-pod east-curl-pod 62
}

build_netload() {
    local built=$ROOT/native/build/netload
    mkdir -p "${built%/*}"
    # Moved in one piece: another run may use it.
    { gcc -O2 -Wall -Wextra -Werror -o "$built.$LAB_ID" "$ROOT"/native/netload*.c -lm && mv "$built.$LAB_ID" "$built"; } || die 1 "netload could not be built"
}
