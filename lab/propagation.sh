# shellcheck shell=bash
# propagation.sh: how long until a backend that is added or removed in east is used, or used no more, by new flows in west. Part of
# ./run-lab.sh faults.

# Milliseconds from one change to the next; a change that takes longer has not arrived.
CHANGE_EVERY=600

# propagation <changes>: prints the distribution. What is checked is that each change arrives, not how fast: that is the machine's too.
propagation() {
    heading "Propagation: a backend added or removed in east, and the flows of west; $1 changes"
    local number at
    local log=$STATE/log/probe.log changes=$STATE/changes
    write_slices
    change_to 1
    wait_for 10 probe_finds "${ADDRESS[east-webpod-1]}" || true
    : >"$changes"
    show_command west-curl-pod "a new connection to 10.2.99.2 every few milliseconds"
    start probe west-curl-pod bash -c "$(declare -f probe); probe 10.2.99.2"
    wait_for 5 test -s "$log" || fail "the service answers" "answers" "$(cat "$log")"
    at=$(milliseconds)
    for (( number = 1; number <= $1; number++ )); do
        if [[ -t 1 ]] || (( number % 50 == 0 )); then progress "change $number of $1"; fi
        # The odd ones add, the even ones remove.
        printf '%s %s\n' "$EPOCHREALTIME" "$(( number % 2 ? 2 : 1 ))" >>"$changes"
        change_to "$(( number % 2 ? 2 : 1 ))"
        at=$(( at + CHANGE_EVERY ))
        wait_until "$at"
    done
    printf '%s end\n' "$EPOCHREALTIME" >>"$changes"
    stop probe
    OUT=$(awk -v other="${ADDRESS[east-webpod-2]}" -f "$ROOT/lab/propagation.awk" "$changes" "$log")
    show_output "$OUT"
    expect "every change has reached west's flows within $CHANGE_EVERY ms" "$1 changes, 0 late, 0 failed" "$(tail -n 1 <<<"$OUT")"
}

wait_until() {
    local left=$(( $1 - $(milliseconds) ))
    if (( left > 0 )); then sleep "$(( left / 1000 )).$(printf '%03d' $(( left % 1000 )))"; fi
}

# write_slices: east's service changing with one backend, and with two.
write_slices() {
    local count
    for count in 1 2; do
        cat >"$STATE/slice-$count.yaml" <<END
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: changing, labels: {kubernetes.io/service-name: changing}}
addressType: IPv4
ports: [{port: 80, protocol: TCP}]
endpoints:
  - {addresses: [${ADDRESS[east-webpod-1]}]}
END
    done
    printf '  - {addresses: [%s]}\n' "${ADDRESS[east-webpod-2]}" >>"$STATE/slice-2.yaml"
}

# change_to <backends>
change_to() {
    OUT=$("$CMESH" apply -f "$STATE/slice-$1.yaml" --context east 2>&1) || die 1 "east refuses its endpoint slice: $OUT"
}

probe_finds() { [[ $(at west-curl-pod timeout 2 curl -s http://10.2.99.2/) == *"IP: $1"* ]]; }

# probe <address>: when a connection began and who answered it; no process is started for one.
probe() {
    local began line pause
    exec {pause}<> <(:)
    while true; do
        began=$EPOCHREALTIME
        line=''
        if exec 3<>"/dev/tcp/$1/80"; then
            printf 'GET / HTTP/1.0\r\n\r\n' >&3
            while read -r -t 2 -u 3 line; do [[ $line != IP:* ]] || break; done
            exec 3>&-
        fi
        printf '%s %s\n' "$began" "${line#IP: }"
        read -r -t 0.002 -u "$pause" || true
    done
}
