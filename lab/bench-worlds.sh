# shellcheck shell=bash
# bench-worlds.sh: the worlds that are measured, each with a network of its own; all are up at once, as one that rests costs nothing.
#
#                      net: bridge br0
#                west │               │ east
#     west-node ──────┘               └────── east-node
#      │       │                                   │
#    west-    west-                              east-
#    client   server (near)                      server (far)
#
# datapath: TAPs, and a forwarder for each node. kernel: veths, and the nodes' own stacks. null: a nullfwd in the place of each forwarder
# and one between client and near; it decides nothing, so there is no service and the client has an interface for either.

PLAN=$ROOT/lab/bench/plan.json
NULLFWD=$ROOT/native/build/nullfwd

# Ports of the services: bulk streams, requests, packets; idle flows from the last one on. Web is 80.
CLIENT=10.0.1.105 NEAR=10.0.1.14 FAR=10.1.1.2 SERVICE=10.2.52.1 IDLE_SERVICE=10.2.53.1
STREAM_PORT=5201 REQUEST_PORT=7001 PACKET_PORT=7000 IDLE_PORT=9001
CLIENT6=fd00:10:0:1::105 NEAR6=fd00:10:0:1::14 FAR6=fd00:10:1:1::2 SERVICE6=fd00:10:2:52::1
# As netload spreads them.
FLOWS_PER_PORT=64000

declare -A KIND SIZE_OF SERVICES HAS_FLOWS FLAGS OBSERVED_OF FAMILY HAS_TUNNEL ONLY RUN SIZES NOT ONCE
NOTES=()

# read_plan <short: true or false> <worlds, or nothing for all> <measures, or nothing for all>
read_plan() {
    local name first second third fourth fifth sixth seventh eighth ninth
    mapfile -t WORLDS < <(chosen worlds "$1" "$2")
    mapfile -t MEASURES < <(chosen measures "$1" "$3")
    (( ${#WORLDS[@]} && ${#MEASURES[@]} )) || exit 2
    while IFS='|' read -r name first second third fourth fifth sixth seventh eighth ninth; do
        KIND[$name]=$first SIZE_OF[$name]=$second SERVICES[$name]=$third HAS_FLOWS[$name]=$fourth FLAGS[$name]=$fifth OBSERVED_OF[$name]=$sixth
        FAMILY[$name]=$seventh HAS_TUNNEL[$name]=$eighth ONLY[$name]=$ninth
    done < <(jq -r '.worlds[] | [.name, .kind, .sizeOf // .name, .services // 1, .flows // false, (.flags // [] | join(" ")), .observedOf // "",
        .family // "ipv4", .tunnel // false, (.only // [] | join(" "))] | join("|")' "$PLAN")
    while IFS='|' read -r name first second third fourth; do
        RUN[$name]=$first SIZES[$name]=$second NOT[$name]=$third ONCE[$name]=$fourth
    done < <(jq -r '.measures[] | [.name, .run, .sizes // false, (.not // [] | join(" ")), (.once // [] | join(" "))] | join("|")' "$PLAN")
    leave_out_full_kernels
}

# chosen <worlds or measures> <short> <comma-separated names, or nothing>
chosen() {
    local unknown
    unknown=$(jq -r --arg names "$3" ".$1 as \$all | \$names | split(\",\")[] | select(IN(\$all[].name) | not)" "$PLAN")
    [[ -z $unknown ]] || die 2 "there are no $1 ${unknown//$'\n'/, }; ./run-lab.sh bench --help lists what there is"
    jq -r --arg names "$3" --argjson short "$2" ".$1[] | select(if \$names == \"\" then (\$short | not) or .short else .name | IN(\$names | split(\",\")[]) end) | .name" "$PLAN"
}

# The length of the kernel's table is the machine's to set. A world that does not fit is left out and noted.
leave_out_full_kernels() {
    local world kept=() most
    most=$(cat /proc/sys/net/netfilter/nf_conntrack_max 2>/dev/null || printf '0\n')
    for world in "${WORLDS[@]}"; do
        if [[ ${KIND[$world]} == kernel && ${HAS_FLOWS[$world]} == true ]] && (( FLOWS * 11 / 10 > most )); then
            NOTES+=("$world: not measured, as the kernel's table takes $most flows (net.netfilter.nf_conntrack_max)")
        else
            kept+=("$world")
        fi
    done
    WORLDS=("${kept[@]}")
}

bench_worlds_up() {
    [[ -c /dev/net/tun ]] || die 2 "/dev/net/tun is missing: this kernel or container offers no TAP devices"
    local world
    NODES=() PODS=() PLACES=()
    for world in "${WORLDS[@]}"; do
        PODS+=("$world-west-client" "$world-west-server" "$world-east-server")
        PLACES+=("$world-net")
        [[ ${KIND[$world]} == null ]] || PLACES+=("$world-west-node" "$world-east-node")
    done
    PLACES+=("${PODS[@]}")
    claim
    make_namespaces
    for world in "${WORLDS[@]}"; do
        [[ ${FAMILY[$world]} == ipv4 ]] || allow_ipv6 "$world-west-node" "$world-east-node" "$world-west-client" "$world-west-server" "$world-east-server"
    done
    write_service_files
    for world in "${WORLDS[@]}"; do
        progress "world $world"
        ip -n "$LAB_ID-$world-net" -batch - <<<$'link add br0 type bridge stp_state 0 forward_delay 0\nlink set br0 up'
        "start_${KIND[$world]}" "$world"
    done
    for world in "${WORLDS[@]}"; do
        start_bench_servers "$world"
        if [[ ${KIND[$world]} == datapath ]]; then wait_for_datapath "$world"; fi
        if (( ${SERVICES[$world]} > 1 )); then add_services "$world" "many-${SERVICES[$world]}"; fi
        if [[ ${HAS_FLOWS[$world]} == true ]]; then make_idle_flows "$world"; fi
    done
    : >"$STATE/ready"
    clear_progress
}

# allow_ipv6 <places...>: what make_namespaces takes away. Addresses are there at once, without asking the link whether another has them.
allow_ipv6() {
    local place
    for place in "$@"; do
        at "$place" sysctl -qw net.ipv6.conf.all.disable_ipv6=0 net.ipv6.conf.default.disable_ipv6=0 net.ipv6.conf.default.accept_dad=0
    done
}

start_bench_servers() {
    local dir=$STATE/servers/$1 server
    mkdir -p "$dir/tmp"
    sed "s|@DIR@|$dir|" "$ROOT/lab/bench/web.conf" >"$dir/nginx.conf"
    start "$1-web" "$1-east-server" nginx -p "$dir" -e "$dir/error.log" -c "$dir/nginx.conf"
    for server in west east; do start "$1-$server-iperf3" "$1-$server-server" iperf3 -s -p "$STREAM_PORT"; done
    wait_for 5 listens "$1-east-server" 80 || die 1 "the web server of $1 does not listen"
    for server in west east; do wait_for 5 listens "$1-$server-server" "$STREAM_PORT" || die 1 "iperf3 of $1 does not listen"; done
}

# service_lines <set>: name, protocol, frontend and backends of each service. What is measured is `few`, over IPv6 `few6`; `idle` has a backend that is not
# there, so that nobody answers and the flows stay as they are.
service_lines() {
    local port last=$(( IDLE_PORT + (FLOWS - 1) / FLOWS_PER_PORT ))
    case $1 in
        few)
            for port in "$STREAM_PORT" "$REQUEST_PORT" 80; do printf 'measured-%s tcp %s:%s %s:%s\n' "$port" "$SERVICE" "$port" "$FAR" "$port"; done
            printf 'measured-%s udp %s:%s %s:%s\n' "$PACKET_PORT" "$SERVICE" "$PACKET_PORT" "$FAR" "$PACKET_PORT"
            ;;
        few6) for port in "$STREAM_PORT" 80; do printf 'measured-%s tcp [%s]:%s [%s]:%s\n' "$port" "$SERVICE6" "$port" "$FAR6" "$port"; done ;;
        idle)
            for (( port = IDLE_PORT; port <= last; port++ )); do printf 'idle-%s tcp %s:%s 10.1.1.250:%s\n' "$port" "$IDLE_SERVICE" "$port" "$port"; done
            ;;
        many-*)
            awk -v count="${1#many-}" 'BEGIN { for (i = 0; i < count; i++) {
                printf "many-%d tcp 10.2.%d.%d:80", i, 100 + i / 250, 1 + i % 250
                for (j = 11; j < 15; j++) printf " 10.1.1.%d:%d", j, 8000 + i % 1000
                print "" } }'
            ;;
    esac
}

# write_service_files: each set for both kinds of world, before anything is timed.
write_service_files() {
    local set
    mkdir "$STATE/services"
    for set in few few6 idle many-1000 many-10000; do
        service_lines "$set" | services_for_datapath >"$STATE/services/$set.json"
        [[ $set == few6 ]] || service_lines "$set" | services_for_kernel >"$STATE/services/$set.nft"
    done
}

services_for_datapath() {
    awk '
    # part(text, which): the address of 10.0.0.1:80 or [fd00::1]:80, or the port behind it.
    function part(text, which) {
        match(text, /:[0-9]+$/)
        if (which == "port") return substr(text, RSTART + 1)
        text = substr(text, 1, RSTART - 1)
        gsub(/[][]/, "", text)
        return text
    }
    {
        printf "%s{\"name\":\"default/%s\",\"protocol\":\"%s\",", NR == 1 ? "{\"services\":[\n" : ",\n", $1, toupper($2)
        printf "\"frontends\":[{\"type\":\"ClusterIP\",\"address\":\"%s\",\"port\":%s}],\"backends\":[", part($3, "address"), part($3, "port")
        for (i = 4; i <= NF; i++) {
            printf "%s{\"address\":\"%s\",\"port\":%s,\"cluster\":\"east\",\"node\":\"east-node\"}", i == 4 ? "" : ",", part($i, "address"), part($i, "port")
        }
        printf "]}" }
        END { print "]}" }'
}

add_services() { "add_services_${KIND[$1]}" "$@"; }

# Services of a kind that has none.
add_services_null() { :; }

start_datapath() {
    local side
    local -a flags
    read -ra flags <<<"${FLAGS[$1]}"
    for side in west east; do
        node_file "$1" "$side" >"$STATE/nodes/$1-$side.json"
        start "$1-$side-forwarder" - "$FORWARDER" --config "$STATE/nodes/$1-$side.json" "${flags[@]}"
    done
}

# node_file <world> <side>: with what the plan changes for this world, section by section. Tables have one length in all worlds.
node_file() {
    jq --arg name "$1" --arg side "$2" --argjson entries "$(( 2 * FLOWS + 500000 ))" --slurpfile plan "$PLAN" '
        .tables.conntrackEntries = $entries
        | . * ($plan[0].worlds[] | select(.name == $name) | (.nodeFile // {}) * (.[$side] // {}))
        | del(.[][]? | nulls)' "$ROOT/lab/bench/$2.json" | sed "s|@LAB@|$LAB_ID|g; s|@WORLD@|$1|g; s|@STATE@|$STATE|g"
}

wait_for_datapath() {
    local side
    for side in west east; do
        wait_for 30 datapath_is_ready_or_dead "$1-$side" || die 1 "the forwarder $1-$side is not ready after 30 s: $(last_words "$1-$side")"
        is_gone "$1-$side-forwarder" && die 1 "the forwarder $1-$side ended: $(last_words "$1-$side")"
    done
    if [[ ${FAMILY[$1]} == ipv6 ]]; then add_services "$1" few6; else add_services "$1" few; fi
    [[ -z ${OBSERVED_OF[$1]} ]] || start_listeners "$1"
}

# start_listeners <world>: who takes all flow events and only counts them.
start_listeners() {
    local side
    for side in west east; do
        start "$1-$side-listener" - "$CMESH" --socket "$STATE/nodes/$1-$side.sock" monitor -o count
        wait_for 10 has_listener "$1-$side" || die 1 "nobody listens to the flow events of $1-$side: $(last_words "$1-$side")"
    done
}

has_listener() { cmesh_of "$1" counters -o json 2>/dev/null | jq -es 'flatten | any(.scope == "event" and .counter == "listeners" and .value > 0)' >/dev/null; }

datapath_is_ready_or_dead() {
    is_gone "$1-forwarder" && return 0
    [[ -S $STATE/nodes/$1.sock ]] && cmesh_of "$1" status >/dev/null 2>&1
}

# cmesh_of <world-side> <arguments...>
cmesh_of() {
    local node=$1; shift
    timeout --foreground 60 "$CMESH" --socket "$STATE/nodes/$node.sock" "$@"
}

# add_services_datapath <world> <set>
add_services_datapath() {
    local side answer
    for side in west east; do
        answer=$(cmesh_of "$1-$side" apply -f "$STATE/services/$2.json" 2>&1) || die 1 "$1: cmesh apply of $2 failed: $answer"
    done
}

# make_idle_flows <world>: so that the world tracks all of them; packets that a full queue lost are sent again.
make_idle_flows() {
    local rate
    add_services "$1" idle
    for rate in 150000 75000 75000 30000 30000; do
        progress "world $1: $FLOWS idle flows, $rate/s"
        "$NETLOAD" flows --from "$LAB_ID-$1-west-client" --source "$CLIENT" --to "$IDLE_SERVICE:$IDLE_PORT" --count "$FLOWS" --rate "$rate" >/dev/null
        (( $(tracked_flows "$1") < FLOWS )) || return 0
    done
    die 1 "$1 tracks only $(tracked_flows "$1") of $FLOWS flows"
}

# tracked_flows <world>
tracked_flows() {
    case ${KIND[$1]} in
        # A service's flow takes two entries.
        datapath) cmesh_of "$1-west" status -o json | jq '.conntrack.entries / 2 | floor' ;;
        kernel) at "$1-west-node" sysctl -n net.netfilter.nf_conntrack_count ;;
    esac
}

start_null() {
    local world=$LAB_ID-$1 wire
    start "$1-near-wire" - "$NULLFWD" --port "$world-west-client:near" --port "$world-west-server:eth0"
    start "$1-west-wire" - "$NULLFWD" --port "$world-west-client:far" --port "$world-net:west"
    start "$1-east-wire" - "$NULLFWD" --port "$world-net:east" --port "$world-east-server:eth0"
    for wire in near west east; do
        wait_for 5 grep -qx ready "$STATE/log/$1-$wire-wire.log" || die 1 "nullfwd does not start: $(cat "$STATE/log/$1-$wire-wire.log")"
    done
    ip -n "$world-west-client" -batch - <<<"addr add $CLIENT/24 dev near
addr add 10.1.1.105/24 dev far
link set near up
link set far up"
    ip -n "$world-west-server" -batch - <<<"addr add $NEAR/24 dev eth0
link set eth0 up"
    ip -n "$world-east-server" -batch - <<<"addr add $FAR/24 dev eth0
link set eth0 up"
    ip -n "$world-net" -batch - <<<$'link set west master br0 up\nlink set east master br0 up'
}
