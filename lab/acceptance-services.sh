# shellcheck shell=bash
# acceptance-services.sh: what a service can be told, with real clients: sessions, Maglev, who may come, traffic policies, hairpin, a rolling restart.

services_told() {
    apply_file west-worker "$ROOT/lab/acceptance/services.yaml"
    ip -n "$LAB_ID-outside" route replace 192.0.2.0/24 via "${ADDRESS[west-worker]}"
    session_affinity 1000
    maglev_as_announced 8
    source_ranges
    traffic_policy
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

hairpin() {
    heading "Acceptance: a webpod calls its own service"
    see west-webpod-1 curl -sS -m 5 http://10.2.52.4/
    expect "it answers itself" "${ADDRESS[west-webpod-1]}" "$(answering)"
    expect_line "and sees the loopback address" '^RemoteAddr: 169\.254\.42\.1:' "RemoteAddr: 169.254.42.1"
}

# rolling_restart: under load, each webpod of west terminates, goes and comes back.
rolling_restart() {
    heading "Acceptance: webpod restarts one by one under load"
    local pod
    roll none active
    start ab-rolling west-curl-pod timeout 60 ab -l -s 5 -n 200000 -t 8 -c 8 http://10.2.52.5/
    for pod in west-webpod-1 west-webpod-2; do
        roll "$pod" terminating
        sleep 1
        roll "$pod" gone
        sleep 0.5
        roll "$pod" active
        sleep 0.5
    done
    wait_for 20 is_gone ab-rolling || true
    OUT=$(cat "$STATE/log/ab-rolling.log")
    show_output "$(grep -E '^(Complete requests|Failed|Non-2xx|Requests per|apr_)' <<<"$OUT" || true)"
    rm -f "$STATE/pid/ab-rolling"
    expect_line "requests were answered all the while" '^Complete requests: +[1-9]' "answers"
    expect "none failed" "0 failed, 0 not 2xx" "$(figure 'Failed requests') failed, $(figure 'Non-2xx responses') not 2xx"
}

# roll <pod> <state>: default/rolling with that pod in a state, or gone.
roll() {
    local file=$STATE/rolling.yaml pod
    {
        printf 'services:\n  - name: default/rolling\n    frontends:\n      - { address: 10.2.52.5, port: 80 }\n    backends:\n'
        for pod in west-webpod-1 west-webpod-2 east-webpod-1 east-webpod-2; do
            if [[ $pod != "$1" ]]; then
                printf '      - { address: %s, port: 80 }\n' "${ADDRESS[$pod]}"
            elif [[ $2 != gone ]]; then
                printf '      - { address: %s, port: 80, state: %s }\n' "${ADDRESS[$pod]}" "$2"
            fi
        done
    } >"$file"
    apply_file west-worker "$file"
}
