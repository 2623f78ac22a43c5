# shellcheck shell=bash
# services.sh: what a service can be told, with real clients: sessions, Maglev, who may come, traffic policies, direct server return, hairpin, a
# rolling restart. Part of ./run-lab.sh acceptance; the clusters are connected.

services_told() {
    apply_file west-worker "$ROOT/lab/acceptance/services.yaml"
    ip -n "$LAB_ID-outside" route replace 192.0.2.0/24 via "${ADDRESS[west-worker]}"
    session_affinity 1000
    maglev_as_announced 8
    source_ranges
    traffic_policy
    direct_return
    hairpin
    rolling_restart
}

# session_affinity <connections>
session_affinity() {
    heading "Acceptance: session affinity over $1 connections"
    local pod before=() index share spread=''
    local webpods=(west-webpod-1 west-webpod-2 east-webpod-1 east-webpod-2)
    for pod in "${webpods[@]}"; do before+=("$(requests_of "$pod")"); done
    run_long ab west-curl-pod 60 ab -l -n "$1" -c 16 http://10.2.52.2/
    for index in "${!webpods[@]}"; do
        share=$(( $(requests_of "${webpods[index]}") - before[index] ))
        (( share == 0 )) || spread+="$share "
    done
    expect "one backend has all of them" "$1 " "$spread"
}

# maglev_as_announced <connections>: select says who will answer, and that one does.
maglev_as_announced() {
    heading "Acceptance: Maglev chooses as announced"
    local port said answered announced=''
    see_cmesh west-worker service maglev default/hashed
    for (( port = 45000; port < 45000 + $1; port++ )); do
        said=$(json west-worker .backend service select default/hashed --from "${ADDRESS[west-curl-pod]}:$port")
        see west-curl-pod curl -sS -m 5 --local-port "$port" http://10.2.52.3/
        answered=$(answering)
        announced+=$([[ "$said" == "$answered:80/TCP" ]] && echo 'yes ' || echo "$said but $answered ")
    done
    expect "each of $1 connections goes where it was said" "$(printf 'yes %.0s' $(seq "$1"))" "$announced"
}

source_ranges() {
    heading "Acceptance: source ranges admit and refuse"
    see_requests outside 10 http://192.0.2.10/
    expect "who is in the ranges is answered" "10 answers" "$(grep -c '^Hostname: ' <<<"$OUT" || true) answers$(failures)"
    see outside curl -sS -m 2 http://192.0.2.11/
    expect "who is not hears nothing" "exit code 28" "exit code $RC"
    see_cmesh west-worker counters
    expect_line "and is counted" 'Denied by LB src range check \(177\) +packets +[1-9]' "a counter of drop reason 177"
}

traffic_policy() {
    heading "Acceptance: externalTrafficPolicy: Local keeps to the node, and keeps the client's address"
    see_requests outside 10 http://192.0.2.12/
    expect "only the backend of this node answers" "${ADDRESS[west-webpod-1]}" "$(answering)$(failures)"
    expect "which sees the client" "${ADDRESS[outside]}" "$(words "$(sed -n 's/^RemoteAddr: \(.*\):.*/\1/p' <<<"$OUT")")"
}

# direct_return: west-control-plane balances, west-worker has the backend and answers the client itself.
direct_return() {
    heading "Acceptance: direct server return"
    local address=192.0.2.13
    apply_file west-worker "$ROOT/lab/acceptance/direct.yaml"
    apply_file west-control-plane "$ROOT/lab/acceptance/direct.yaml"
    ip -n "$LAB_ID-outside" route replace "$address/32" via "${ADDRESS[west-control-plane]}"
    capture_port west-cp "$address"
    capture_port west-worker "$address or host ${ADDRESS[west-webpod-1]}"
    see outside curl -sS -m 5 "http://$address/"
    expect "the backend behind the other node answers" "${ADDRESS[west-webpod-1]}" "$(answering)"
    expect_line "and sees the client" "^RemoteAddr: ${ADDRESS[outside]//./\\.}:" "RemoteAddr: ${ADDRESS[outside]}"
    wait_for 5 grep -q 'HTTP/1.1 200' "$STATE/log/direct-west-worker.log" || true
    stop direct-west-cp direct-west-worker
    OUT=$(grep -A 1 'unknown 154' "$STATE/log/direct-west-worker.log" || true)
    show_output "$(sed 's/^[^ ]* //' <<<"$OUT")"
    expect_text "the SYN comes to the backend's node with the option" '^.*unknown 154.*Flags \[S\]' "an option of type 154 and Flags [S]"
    OUT=$(grep -E "$address\\.80 >" "$STATE/log/direct-west-cp.log" || true)
    expect "no answer passes the node that balances" "" "$OUT"
    OUT=$(grep -E "$address\\.80 > .*Flags \\[S\\.\\]" "$STATE/log/direct-west-worker.log" || true)
    show_output "$(sed 's/^ *//' <<<"$OUT")"
    expect_line "the answer leaves the backend's node in the service's name" "$address\\.80 > ${ADDRESS[outside]}" "$address.80 > ${ADDRESS[outside]}"
    show_command west-worker cmesh ct list
    OUT=$(cmesh_on west-worker ct list | grep DSRInternal || true)
    show_output "$OUT"
    expect_line "which remembers why" " ${ADDRESS[outside]}:[0-9]+ -> ${ADDRESS[west-webpod-1]}:80 .* DSRInternal" "its flow with the flag DSRInternal"
    show_command west-worker cmesh nat list
    OUT=$(cmesh_on west-worker nat list | grep "$address" || true)
    show_output "$OUT"
    expect_line "and in whose name it answers" "^TCP OUT .* XLATE_SRC $address:80 " "XLATE_SRC $address:80"
}

# capture_port <node's interface on the bridge> <addresses>: returns when tcpdump listens.
capture_port() {
    # shellcheck disable=SC2046 # words
    start "direct-$1" net timeout 30 $(as_own_user tcpdump) -nnv -l --immediate-mode -i "$1" "tcp and (host $2)"
    wait_for 10 grep -q 'listening on' "$STATE/log/direct-$1.log" || fail "tcpdump listens on $1" "listening on $1" "$(cat "$STATE/log/direct-$1.log")"
}

hairpin() {
    heading "Acceptance: a webpod calls its own service"
    see west-webpod-1 curl -sS -m 5 http://10.2.52.4/
    expect "it answers itself" "${ADDRESS[west-webpod-1]}" "$(answering)"
    expect_line "and sees the loopback address" '^RemoteAddr: 169\.254\.42\.1:' "RemoteAddr: 169.254.42.1"
}

# rolling_restart: under load, each webpod of west is told to end, serves what it has to its end, ends, and comes back.
rolling_restart() {
    heading "Acceptance: webpod restarts one by one under load"
    local pod kept='' LASTING
    roll none active
    show_command west-curl-pod wrk -t 2 -c 16 -d 100s --timeout 5s http://10.2.52.5/
    start wrk-rolling west-curl-pod timeout 120 wrk -t 2 -c 16 -d 100s --timeout 5s http://10.2.52.5/
    for pod in west-webpod-1 west-webpod-2; do
        # A download that only this webpod can have, begun while it is active.
        LASTING=$pod roll none active
        start "long-$pod" west-curl-pod timeout 30 curl -sS -o /dev/null -w '%{http_code} %{size_download}' http://10.2.52.6/long
        wait_for 5 downloads || fail "the download begins" "a connection to 10.2.52.6" "$(cat "$STATE/log/long-$pod.log")"
        roll "$pod" terminating
        wait_for 20 has_no_connections "$pod" || fail "$pod comes to rest" "no connection" "$(at "$pod" ss -Htn state established)"
        kept+="$(cat "$STATE/log/long-$pod.log") "
        show_output "$pod: has no connections any more, its server is stopped"
        stop "$pod-nginx"
        roll "$pod" gone
        start_web "$pod" "webpod-west-${pod##*-}"
        wait_for 5 listens "$pod" 80 || fail "$pod comes back" "port 80" "$(cat "$STATE/log/$pod-nginx.log")"
        roll "$pod" active
        stop "long-$pod"
    done
    # wrk prints its figures when it is interrupted.
    signal INT wrk-rolling
    wait_for 20 is_gone wrk-rolling || true
    OUT=$(cat "$STATE/log/wrk-rolling.log")
    show_output "$OUT"
    rm -f "$STATE/pid/wrk-rolling"
    expect_line "requests were answered all the while" '^ +[1-9][0-9]* requests in ' "requests"
    expect_no_line "no connection was lost" 'Socket errors|Non-2xx' "no socket errors, no answers but 200"
    expect "downloads from a webpod that ends reach their end" "200 $LONG_LENGTH 200 $LONG_LENGTH " "$kept"
}

downloads() { [[ -n $(at west-curl-pod ss -Htn state established 'dst 10.2.52.6') ]]; }

# has_no_connections <pod>: to its web server.
has_no_connections() { [[ -z $(at "$1" ss -Htn state established 'sport = :80') ]]; }

# roll <pod> <state>: default/rolling with that pod in a state, or gone; default/lasting the same, or with LASTING alone.
roll() {
    local file=$STATE/rolling.yaml
    {
        printf 'services:\n'
        rolling_service rolling 10.2.52.5 '' "$@"
        rolling_service lasting 10.2.52.6 "${LASTING:-}" "$@"
    } >"$file"
    show_output "$( [[ $1 == none ]] && printf 'all webpods active%s' "${LASTING:+, downloads from $LASTING alone}" || printf '%s: %s' "$1" "$2" )"
    cmesh_on west-worker apply -f "$file" >/dev/null || die 1 "cmesh apply of rolling.yaml on west-worker failed"
}

# rolling_service <name> <address> <only this pod, or none> <pod> <state>
rolling_service() {
    local pod
    printf '  - name: default/%s\n    frontends:\n      - { address: %s, port: 80 }\n    backends:\n' "$1" "$2"
    for pod in west-webpod-1 west-webpod-2 east-webpod-1 east-webpod-2; do
        if [[ -n $3 && $pod != "$3" ]]; then
            continue
        elif [[ $pod != "$4" ]]; then
            printf '      - { address: %s, port: 80 }\n' "${ADDRESS[$pod]}"
        elif [[ $5 != gone ]]; then
            printf '      - { address: %s, port: 80, state: %s }\n' "${ADDRESS[$pod]}" "$5"
        fi
    done
}
