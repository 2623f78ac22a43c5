# shellcheck shell=bash
# paths.sh: what the way of a packet says about itself: traceroute, path MTU and long datagrams through services and masquerade, in both
# families. Part of ./run-lab.sh acceptance: the two workers run with node files of their own meanwhile.
#
#   curl-pod ── west-worker ── br0 ── east-worker ── webpod-1        a service whose backend is there
#                               └── net (a router here) ── outside   by a link of MTU 1400; the pods are masqueraded

PATH_NODES=(west-worker east-worker)
PATH_PLACES=(net outside west-worker east-worker west-curl-pod east-webpod-1)
NARROW=1400

paths() {
    heading "Acceptance: paths, IPv4 and IPv6"
    local node
    open_paths
    for node in "${PATH_NODES[@]}"; do end_forwarder TERM "$node"; done
    for node in "${PATH_NODES[@]}"; do start_path_forwarder "$node"; done
    start paths-iperf3 east-webpod-1 iperf3 -s
    start far-iperf3 outside iperf3 -s
    wait_for 5 listens east-webpod-1 5201 || die 1 "iperf3 does not listen: $(cat "$STATE/log/paths-iperf3.log")"
    wait_for 5 listens outside 5201 || die 1 "iperf3 does not listen: $(cat "$STATE/log/far-iperf3.log")"
    family_paths IPv4 10.0.1.218 172.18.0.2 172.18.0.1 198.51.100.2 10.2.52
    family_paths IPv6 fd00:10:0:1::218 fd00:172:18::2 fd00:172:18::1 fd00:198:51::2 fd00:10:2:52:
    stop paths-iperf3 far-iperf3
    for node in "${PATH_NODES[@]}"; do end_forwarder TERM "$node"; done
    close_paths
    start_forwarders "${PATH_NODES[@]}"
    for node in "${PATH_NODES[@]}"; do connect_node "$node"; done
}

# open_paths: IPv6, and a second network behind net by a link that is narrow at net's end only: the far host does not know of it, and offers
# segments as long as its own end takes. Addresses are there at once, without duplicate address detection.
open_paths() {
    local place
    for place in "${PATH_PLACES[@]}"; do
        at "$place" sysctl -qw net.ipv6.conf.all.disable_ipv6=0 net.ipv6.conf.default.disable_ipv6=0 net.ipv6.conf.default.accept_dad=0
    done
    at net sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1
    ip -n "$LAB_ID-net" -batch - <<END
addr add fd00:172:18::1/64 dev br0 nodad
link add far0 mtu $NARROW type veth peer name far netns $LAB_ID-outside
addr add 198.51.100.1/24 dev far0
addr add fd00:198:51::1/64 dev far0 nodad
link set far0 up
END
    ip -n "$LAB_ID-outside" -batch - <<END
addr add 198.51.100.2/24 dev far
addr add fd00:198:51::2/64 dev far nodad
link set far up
route add 172.18.0.5/32 via 198.51.100.1
route add fd00:172:18::/64 via fd00:198:51::1
END
}

close_paths() {
    local place
    ip -n "$LAB_ID-outside" route del 172.18.0.5/32
    ip -n "$LAB_ID-net" link del far0
    at net sysctl -qw net.ipv4.ip_forward=0 net.ipv6.conf.all.forwarding=0
    for place in "${PATH_PLACES[@]}"; do
        at "$place" sysctl -qw net.ipv6.conf.all.disable_ipv6=1 net.ipv6.conf.default.disable_ipv6=1
    done
}

start_path_forwarder() {
    sed "s|@LAB@|$LAB_ID|g" "$ROOT/lab/acceptance/paths-$1.yaml" >"$STATE/nodes/$1.yaml"
    start "$1-forwarder" - "$FORWARDER" --config "$STATE/nodes/$1.yaml"
    wait_for 20 forwarder_is_ready_or_dead "$1" || die 1 "the forwarder of $1 is not ready after 20 s: $(last_words "$1")"
    is_gone "$1-forwarder" && die 1 "the forwarder of $1 ended: $(last_words "$1")"
    return 0
}

# family_paths <name> <pods' router> <east-worker> <gateway> <far host> <begin of the services' addresses>
family_paths() {
    local separator=. service narrow empty
    if [[ $1 == IPv6 ]]; then separator=:; fi
    service=$6${separator}3 narrow=$6${separator}4 empty=$6${separator}5

    see west-curl-pod traceroute -n -T -p 5201 -q 1 -w 2 -m 5 "$service"
    expect "$1: traceroute through DNAT: router, node, the service's own address" "$2 $3 $service" "$(hops)"
    see west-curl-pod traceroute -n -q 1 -w 2 -m 5 "$5"
    expect "$1: traceroute through SNAT: router, gateway, the far host" "$2 $4 $5" "$(hops)"

    see west-curl-pod tracepath -n -m 5 "$5"
    expect_line "$1: tracepath finds the narrow link through SNAT" "pmtu $NARROW hops" "pmtu $NARROW"
    see west-curl-pod iperf3 -c "$narrow" -n 4M
    expect "$1: TCP through DNAT and SNAT finds its way over the narrow link" "exit code 0" "exit code $RC"
    see west-curl-pod ip route get "$narrow"
    expect_text "$1: the pod has learned the MTU of the way to the service" "mtu $NARROW" "mtu $NARROW"

    long_datagrams "$1: 3,000-byte datagrams to a UDP service" "$service"
    long_datagrams "$1: 3,000-byte datagrams from it" "$service" -R

    see west-curl-pod bash -c "exec 3<>/dev/udp/$empty/53; echo >&3; sleep 0.2; echo >&3 && echo silence || echo refused"
    expect_text "$1: a service without backends refuses at once" "refused" "refused"
}

# hops: the addresses of a traceroute, on one line.
hops() { awk '$1 ~ /^[0-9]+$/ { printf "%s%s", sep, $2; sep = " " } END { print "" }' <<<"$OUT"; }

# long_datagrams <what> <service> <options...>
long_datagrams() {
    local what=$1 service=$2; shift 2
    see west-curl-pod iperf3 -c "$service" -u -l 3000 -b 10M -t 2 "$@"
    local counts
    counts=$(grep -E 'receiver$' <<<"$OUT" | grep -oE '[0-9]+/[0-9]+ ' | head -n 1)
    expect "$what: none lost" "0 lost of some" "${counts%%/*} lost of $( (( ${counts##*/} > 100 )) && printf some || printf '%s' "$counts")"
}
