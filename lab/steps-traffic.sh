# shellcheck shell=bash
# steps-traffic.sh: the walk-through's captures, service and outside traffic (steps 14 to 29).

step_14() {
    heading "Step 14: tcpdump where the packets arrive"
    each_family capture_ping
}

capture_ping() {
    local client=${ADDRESS[west-curl-pod]} target=${ADDRESS[east-curl-pod]} echoes=icmp
    # Nothing but echoes: neighbours look for each other by ICMPv6, too.
    if (( IP == 6 )); then echoes='icmp6 and (ip6[40] = 128 or ip6[40] = 129)'; fi
    start_capture pod east-curl-pod eth0 "$target" "$echoes"
    if [[ $MODE == native ]]; then
        start_capture uplink net east-worker "$target" "$echoes"
    else
        start_capture uplink net east-worker "$(underlay_of west-worker)" 'udp port 8472'
    fi
    see west-curl-pod ping -c 1 -W 2 "$target"
    finish_capture pod "$client" "$target" "in the pod" "echo request and reply" pings
    if [[ $MODE == native ]]; then
        finish_capture uplink "$client" "$target" "on the node's uplink" "echo request and reply" pings
        expect_direct "$client" "$target"
    else
        wait_for 5 has_tunnelled_pings || true
        stop tcpdump-uplink
        expect_that "on the node's uplink: request and reply in a tunnel between the two nodes$OVER" "both packets" has_tunnelled_pings
    fi
}

# underlay_of <node>: the address that its tunnels end at, which is its first.
underlay_of() {
    local -n addresses=ADDRESS_${FAMILIES[0]}
    printf '%s\n' "${addresses[$1]}"
}

has_tunnelled_pings() {
    local log=$STATE/log/tcpdump-uplink.log west east
    west=$(literally "$(underlay_of west-worker)")
    east=$(literally "$(underlay_of east-worker)")
    grep -qE " $west\.[0-9]+ > $east\.8472:" "$log" && grep -qE " $east\.[0-9]+ > $west\.8472:" "$log" && pings "$log"
}

# start_capture <name> <place> <interface> <address> <filter>: returns when tcpdump listens.
start_capture() {
    show_command "$2" tcpdump -ni "$3" "host $4 and $5"
    rm -f "$STATE/log/tcpdump-$1.log"
    # shellcheck disable=SC2046 # words
    start "tcpdump-$1" "$2" timeout 30 $(as_own_user tcpdump) -nne -l --immediate-mode -i "$3" "host $4 and $5"
    wait_for 10 grep -q 'listening on' "$STATE/log/tcpdump-$1.log" ||
        fail "tcpdump listens on $3" "listening on $3" "$(cat "$STATE/log/tcpdump-$1.log")"
}

# finish_capture <name> <client> <target> <where> <what> <check>: ends when the check finds the exchange whole, then judges who spoke with whom.
finish_capture() {
    local log=$STATE/log/tcpdump-$1.log
    wait_for 5 "$6" "$log" || true
    stop "tcpdump-$1"
    OUT=$(grep -E 'ethertype IPv' "$log" || true)
    show_output "$(shortened <<<"$OUT")"
    expect_that "$4: $5$OVER" "both packets" "$6" "$log"
    expect "$4: only the pods' own addresses, no NAT$OVER" "$(words "$2 $3")" "$(words "$(speakers "$log")")"
}

# shortened: of tcpdump's lines who speaks with whom and what it is; times, lengths and TCP's numbers left out.
shortened() { sed -E 's/^[^ ]+ //; s/, ethertype IPv[46] \(0x[0-9a-f]+\), length [0-9]+:/:/; s/, seq 1, length 64$//; s/(Flags \[[^]]*\]).*, length [0-9]+/\1/'; }

pings() { grep -qE 'ICMP6?,? echo request' "$1" && grep -qE 'ICMP6?,? echo reply' "$1"; }

requests() { grep -q 'HTTP: GET' "$1" && grep -q 'HTTP: HTTP/1.1 200' "$1"; }

# speakers <log>: the addresses at both ends of every packet, ports taken off.
speakers() { sed -nE 's/.* ethertype IPv[46] [^:]*: ([0-9]+(\.[0-9]+){3}|[0-9a-f:]+)[.0-9]* > ([0-9]+(\.[0-9]+){3}|[0-9a-f:]*[0-9a-f])[.0-9]*: .*/\1 \3/p' "$1"; }

# expect_direct <client> <target>: on the node network the request's frame goes from the one node's MAC address to the other's,
# as the bridge has learned them.
expect_direct() {
    local from to frame
    from=$(learned_mac west-worker)
    to=$(learned_mac east-worker)
    frame=$(sed -nE "s/^[^ ]+ ([0-9a-f:]{17}) > ([0-9a-f:]{17}),.* $1 > $2: ICMP6?,? echo request.*/\1 > \2/p" "$STATE/log/tcpdump-uplink.log" | head -n 1)
    expect "the packet goes straight from node to node$OVER" "$from > $to" "$frame"
}

learned_mac() { bridge -n "$LAB_ID-net" fdb show brport "$1" | awk '!/permanent/ { print $1; exit }' || true; }

step_17() {
    heading "Step 17: webpod's backends in both clusters"
    each_family list_shows west-worker ALL_WEBPODS
    each_family list_shows east-worker ALL_WEBPODS
}

# expect_backends <node> <addresses>: what the service list shows for webpod's ClusterIP, once a change has arrived and those that go have gone.
expect_backends() {
    local vip
    vip=$(host "${VIP[${1%%-*}]}")
    wait_for 10 lists_backends "$1" "$2" || true
    see_cmesh "$1" service list --clustermesh-affinity
    expect "$1 lists for $vip:80/TCP: $2" "$2" "$(backends_of "$vip:80/TCP")"
}

lists_backends() {
    OUT=$(cmesh_on "$1" service list --clustermesh-affinity 2>&1) && [[ $(backends_of "$(host "${VIP[${1%%-*}]}"):80/TCP") == "$2" ]]
}

# backends_of <frontend> [regular expression behind the state]: from the service list in $OUT; a frontend's further backends follow on lines
# that begin with blanks.
backends_of() {
    words "$(awk -v frontend="$1" -v mark="${2:-}" '
        /^[0-9]/ { inside = ($2 == frontend) }
        inside && match($0, "[0-9]+ => [^ ]+:80/TCP \\([a-z-]+\\)" mark) {
            split(substr($0, RSTART, RLENGTH), part, / => |:80\/TCP/); gsub(/[][]/, "", part[2]); print part[2]
        }' <<<"$OUT")"
}

step_18() {
    heading "Step 18: webpod from both clusters"
    each_family ask_webpod
    each_family capture_request
}

ask_webpod() {
    local cluster
    for cluster in west east; do
        see_requests "$cluster-curl-pod" 60 "http://$(host "${VIP[$cluster]}")/"
        expect_answers "$cluster" "60 requests to ${VIP[$cluster]}" 60 "$(host "${ADDRESS[$cluster-curl-pod]}")"
        see "$cluster-curl-pod" curl "-$IP" -sS -m 5 webpod
        expect_line "$cluster: webpod answers by its name too$OVER" '^Hostname: webpod-' "the host name of a webpod"
    done
}

capture_request() {
    local client=${ADDRESS[west-curl-pod]} target=${ADDRESS[east-webpod-1]}
    start_capture http east-webpod-1 eth0 "$target" 'tcp port 80'
    see west-curl-pod curl -sS -m 5 "http://$(host "$target")/"
    expect_client "a server of the other cluster sees the pod's own address" west-curl-pod
    finish_capture http "$client" "$target" "in that pod" "request and answer" requests
}

# expect_client <what> <place>: whom the server that has answered saw.
expect_client() {
    local address
    address=$(host "${ADDRESS[$2]}")
    expect_line "$1, ${ADDRESS[$2]}" "^RemoteAddr: $(literally "$address"):" "RemoteAddr: $address"
}

# expect_answers <cluster> <what> <count> <client address>: every request answered, by all four, to the client's own address.
expect_answers() {
    expect "$1: $2 are answered" "$3 answers" "$(grep -c '^Hostname: ' <<<"$OUT" || true) answers$(failures)"
    expect "$1: by all four backends$OVER" "$ALL_WEBPODS" "$(answering)"
    expect "$1: which see the curl-pod's own address$OVER" "$4" "$(words "$(sed -n 's/^RemoteAddr: \(.*\):.*/\1/p' <<<"$OUT")")"
}

# answering: the backends whose answers are in $OUT.
answering() { words "$(sed -n 's/^IP: //p' <<<"$OUT")"; }

# start_requests <name> <place> <url>: requests in the background, one line each: the backend's address, or what went wrong.
start_requests() {
    show_command "$2" curl -sS "$3"
    show_output "(over and over, until it is said)"
    rm -f "$STATE/log/requests-$1.log"
    start "requests-$1" "$2" timeout 600 bash -c "port=$ENDLESS_PORT; while true; do
        port=\$(( port < ${FRESH_PORTS#*-} ? port + 1 : $ENDLESS_PORT ))
        answer=\$(curl -sS -m 5 --local-port \$port-${FRESH_PORTS#*-} '$3' 2>&1) && echo \"ok \$(sed -n 's/^IP: //p' <<<\"\$answer\")\" || echo \"failed at \$(date +%T.%3N): \$answer\"
    done"
    wait_for 5 grep -q '^ok' "$STATE/log/requests-$1.log" || true
}

# finish_requests <name> <what>: those that ran since; the last may have been cut off in the middle.
finish_requests() {
    local log=$STATE/log/requests-$1.log
    stop "requests-$1"
    OUT="$(grep -c '^ok' "$log" || true) answered
$(grep '^failed at [0-9:.]*: .' "$log" || true)"
    expect_text "$2: the requests that ran all the while were answered without an error" '^[1-9][0-9]* answered ?$' "every request answered"
}

step_28() {
    heading "Step 28: pods call the outside"
    each_family call_outside
}

call_outside() {
    local cluster
    for cluster in west east; do
        see "$cluster-curl-pod" curl -sS -m 5 "http://$(host "${ADDRESS[outside]}")/"
        expect_client "outside sees the node of $cluster's curl-pod" "$cluster-worker"
        see "$cluster-curl-pod" curl -sS -m 5 "http://$(host "${ADDRESS[${OTHER[$cluster]}-webpod-2]}")/"
        expect_client "a pod of the other cluster sees the curl-pod itself" "$cluster-curl-pod"
    done
}

step_29() {
    heading "Step 29: the outside calls a NodePort"
    each_family call_node_ports
}

call_node_ports() {
    local node address
    for node in "${NODES[@]}"; do
        address=$(host "${ADDRESS[$node]}")
        see_requests outside 60 "http://$address:30080/"
        expect "$node: $address:30080 is answered by all backends of both clusters" "$ALL_WEBPODS" "$(answering)$(failures)"
        see_mesh_etcd "${node%%-*}" "${ADDRESS[$node]}"
        expect "$node: $address:32379 is answered by the etcd of ${node%%-*}" '{"health":"true"}' "$OUT"
    done
}
