# shellcheck shell=bash
# floods.sh: what floods leave of established connections, of tables and of memory. Run as ./run-lab.sh floods [--short] [--only NAME,...], in a
# world of its own without agents.
#
# west-worker's tables are small, so that they do fill. One pod has TCP connections open through a service and under the node's address; every byte
# comes back and is looked at. They ask for a fixed rate that the machine has room for. A flood is as fast as the machine can make it. It is nice to
# the program that holds the connections, in whose session it is, so that what they lose is lost in the datapath; to the forwarders it is nobody's guest.

FLOODS=(syn half_open sources fragments errors scan neighbors arp nd)
CHOSEN_FLOODS=("${FLOODS[@]}")

STREAM_COUNT=50
STREAM_RATE=4000000

# Flows that fit: a hundredth of a second's worth of a flood. What a pod sends out has a mapping each, and fills that table first.
FLOOD_CONNTRACK=4096
FLOOD_SNAT=1024

# What each does. Sources outside are random in 198.19.0.0/16, of a pod its own address with random ports: others it may not use.
# A flood's name, where it comes from, what it sends, and which tables it must have filled.
flood_syn=(west-curl-pod snat --kind syn --source 10.0.1.105 --to 198.18.0.0:0 --target-spread 16)
flood_half_open=(outside conntrack --kind syn --source 198.19.0.0 --source-spread 16 --to 172.18.0.5:30080)
flood_sources=(outside conntrack --kind udp --source 198.19.0.0 --source-spread 16 --to 10.0.1.14:0)
flood_fragments=(outside fragments --kind fragments --source 198.19.0.0 --source-spread 16 --to 10.0.1.14:0)
flood_errors=(outside '' --kind errors --source 198.19.0.0 --source-spread 16 --to 10.0.1.14:0)
flood_scan=(west-curl-pod snat --kind scan --source 10.0.1.105 --to 10.2.164.0:0 --target-spread 8)
flood_neighbors=(west-curl-pod snat --kind udp --source 10.0.1.105 --to 172.18.128.0:0 --target-spread 15)
flood_arp=(outside '' --kind arp --source 172.18.64.0 --source-spread 14 --to 172.18.0.5:0)
flood_nd=(outside '' --kind nd --source 172.18.64.0 --to 172.18.0.5:0)

# floods <seconds of each flood> <seconds before it, and after it>
floods() {
    local name
    build_netload
    small_tables
    apply_file west-worker "$ROOT/lab/floods/echo.yaml"
    ip -n "$LAB_ID-outside" route add 10.0.1.0/24 via "${ADDRESS[west-worker]}"
    # Tables are touched for the first time: what that takes is no leak.
    "$ROOT/native/build/netload" flood --from "$LAB_ID-west-curl-pod" "${flood_syn[@]:2}" --seconds 2 >/dev/null
    for name in "${CHOSEN_FLOODS[@]}"; do flood "$name" "$@"; done
    heading "Floods: afterwards"
    expect_ping west-curl-pod west-coredns 62
    see west-curl-pod curl -sS -m 5 "http://${VIP[west]}/"
    expect "new connections are made" "exit code 0" "exit code $RC"
}

small_tables() {
    end_forwarder TERM west-worker
    CONNTRACK_ENTRIES=$FLOOD_CONNTRACK SNAT_ENTRIES=$FLOOD_SNAT start_forwarders west-worker
}

# flood <name> <seconds> <seconds before and after>
flood() {
    local -n what=flood_$1
    local place=${what[0]} tables=${what[1]} before quiet=$3
    local -a command=(netload flood --from "$LAB_ID-$place" "${what[@]:2}" --seconds "$2")
    heading "Floods: $1 for $2 s"
    before=$(given_up)
    show_command "$place" "${command[@]}"
    : >"$STATE/log/flood-samples"
    start streams - timeout -k 5 $(( $2 + 60 )) "$ROOT/native/build/netload" streams --from "$LAB_ID-west-clustermesh-apiserver" --at "$LAB_ID-outside" \
        --to 10.2.53.1:7000 --listen 7000 --count "$STREAM_COUNT" --rate "$STREAM_RATE" --seconds "$quiet" \
        -- nice -n 19 "$ROOT/native/build/${command[0]}" "${command[@]:1}"
    sample_flood "$STARTED" $(( ${EPOCHREALTIME/[.,]/} / 1000 + (quiet + 1) * 1000 )) "$2"
    judge_flood "$1" "$tables" "$before" "$2"
}

# sample_flood <pid> <milliseconds at which the flood begins> <its seconds>: resident kilobytes, and fills, while it lasts.
sample_flood() {
    local now
    until is_gone streams; do
        now=$(milliseconds)
        if (( now > $2 && now < $2 + $3 * 1000 )); then
            printf '%d %d %s\n' $(( now - $2 )) "$(awk '$1 == "VmRSS:" { print $2 }' "/proc/$(pid_of west-worker-forwarder)/status")" "$(fills)" >>"$STATE/log/flood-samples"
        fi
        if [[ -t 1 ]]; then progress "flood, $(( (now - $2) / 1000 )) s"; fi
        sleep 0.3
    done
    RC=0
    wait "$1" || RC=$?
    rm -f "$STATE/pid/streams"
    OUT=$(cat "$STATE/log/streams.log")
    rm -f "$STATE/log/streams.log"
}

# fills: entries of conntrack.
fills() {
    local filled
    filled=$(json west-worker '.conntrack.entries' status 2>/dev/null) || true
    printf '%s\n' "${filled:-0}"
}

# given_up: what the tables refused or took back so far, as name=value.
given_up() {
    json west-worker '[.[] | select((.scope == "table" or .scope == "fragment" or .scope == "neighbor") and (.counter == "evicted" or .counter == "failures" or .counter == "givenUp" or .counter == "limited" or .name == "evicted"))
        | "\(.scope).\(.name).\(.counter)=\(.value)"] | sort[]' counters
}

# judge_flood <name> <tables> <given up before> <seconds>
judge_flood() {
    local flood streams growth table filled
    flood=$(grep -m 1 '"kind"' <<<"$OUT" || true)
    streams=$(grep -m 1 '"streams"' <<<"$OUT" || true)
    show_output "$(jq -r '"\(.sent) packets, \(.rate)/s"' <<<"$flood" 2>&1)"
    show_output "$(jq -r '"connections: \(.before.bytesPerSecond / 1000 | round) kB/s before, \(.during.bytesPerSecond / 1000 | round) during, \(.after.bytesPerSecond / 1000 | round) after; longest silence \(.longestSilenceSeconds) s"' <<<"$streams" 2>&1)"
    show_output "given up: $(comm -13 <(sort <<<"$3") <(given_up | sort) | paste -sd' ' -)"
    expect "the flood ends well" "exit code 0" "exit code $RC"
    expect "no connection is lost, no byte is wrong" "$STREAM_COUNT connections, 0 lost, 0 wrong" "$(jq -r '"\(.streams) connections, \(.lost) lost, \(.wrong) wrong"' <<<"$streams" 2>&1)"
    OUT=$streams
    expect_that "they keep half of their throughput at least" "during 0.5 of before" jq -e '.during.bytesPerSecond >= 0.5 * .before.bytesPerSecond and .before.bytesPerSecond > 0' <<<"$streams"
    for table in ${2//,/ }; do
        case $table in
            conntrack)
                filled=$(awk '$3 > most { most = $3 } END { print most + 0 }' "$STATE/log/flood-samples")
                expect_that "conntrack is full" "$FLOOD_CONNTRACK entries, not $filled" test "$filled" -ge $(( FLOOD_CONNTRACK - 16 ))
                expect_that "flows of the flood gave way" "$FLOOD_CONNTRACK evicted at least" gave_way table.conntrack.evicted "$FLOOD_CONNTRACK" "$3"
                ;;
            snat) expect_that "SNAT was full, flows of the flood gave way" "$FLOOD_SNAT evicted at least" gave_way table.snat.evicted "$FLOOD_SNAT" "$3" ;;
            fragments) expect_that "fragments gave way" "another count than before" gave_way fragment.evicted.packets 1 "$3" ;;
        esac
    done
    growth=$(awk -v all="$4" '{ half = int($1 * 2 / (all * 1000)); sum[half] += $2; count[half]++ }
        END { if (count[0] && count[1]) printf "%d", sum[1] / count[1] - sum[0] / count[0]; else print "unknown" }' "$STATE/log/flood-samples")
    expect_that "the forwarder's memory is flat" "at most $MOST_GROWTH_KILOBYTES kB more in the second half than in the first, not $growth" test "$growth" -le "$MOST_GROWTH_KILOBYTES"
}

# gave_way <scope.name.counter> <so many at least> <given up before>. Only a full SNAT table takes a mapping back; what it holds in the moment of a look says
# less, since those of flows that were refused are over and swept.
gave_way() {
    local was is
    was=$(sed -n "s/^$1=//p" <<<"$3")
    is=$(given_up | sed -n "s/^$1=//p")
    (( is - was >= $2 ))
}

command_floods() {
    local seconds=60 quiet=10 name
    while (( $# )); do
        case $1 in
            --short) seconds=2 quiet=1 ;;
            --only)
                IFS=, read -ra CHOSEN_FLOODS <<<"${2:-}"
                for name in "${CHOSEN_FLOODS[@]:-}"; do
                    [[ $name && " ${FLOODS[*]} " == *" $name "* ]] || die 2 "there is no flood '$name'; there are: ${FLOODS[*]}"
                done
                shift
                ;;
            *) die 2 "floods knows --short and --only NAME,NAME, not '$1'" ;;
        esac
        shift
    done
    own_world
    floods "$seconds" "$quiet"
    conclude
}
