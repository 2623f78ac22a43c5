# shellcheck shell=bash
# offloads.sh: bulk data across the clusters through every combination of offloads on and off, of the pod at each end and of the uplinks.
# Part of ./run-lab.sh acceptance; the clusters are connected.

# Bytes of the file that is sent over and over; 2^24 is 16.8 MB.
BULK_LENGTH=16777216

# Two routers of the kernel with veths and a bridge between them had 0 to 770 in the same combinations; a storm is thousands.
MOST_RETRANSMITS_PER_GB=500

# offload_pairs <times the bulk file is sent each way>
offload_pairs() {
    local uplinks west east sum
    start_bulk "$1"
    sum=$(for (( i = 0; i < $1; i++ )); do cat "$STATE/servers/bulk/files/bulk"; done | sha256sum)
    for uplinks in off on; do
        heading "Acceptance: bulk data both ways, uplinks with offloads $uplinks"
        restart_workers "$uplinks"
        for west in off on; do
            for east in off on; do
                set_offloads west-worker curl-pod west-curl-pod "$west"
                set_offloads east-worker webpod-1 east-webpod-1 "$east"
                download "$1" "${sum%% *}" "west $west, east $east"
                upload "$1" "west $west, east $east" "$uplinks"
            done
        done
    done
    stop bulk-nginx bulk-iperf3
}

start_bulk() {
    local dir=$STATE/servers/bulk
    mkdir -p "$dir/tmp" "$dir/files"
    head -c "$BULK_LENGTH" /dev/urandom >"$dir/files/bulk"
    sed "s|@DIR@|$dir|" "$ROOT/lab/servers/bulk.conf" >"$dir/nginx.conf"
    start bulk-nginx east-webpod-1 nginx -p "$dir" -e "$dir/error.log" -c "$dir/nginx.conf"
    start bulk-iperf3 east-webpod-1 iperf3 -s
    wait_for 5 listens east-webpod-1 8081 || die 1 "nginx does not listen: $(cat "$dir/error.log")"
    wait_for 5 listens east-webpod-1 5201 || die 1 "iperf3 does not listen: $(cat "$STATE/log/bulk-iperf3.log")"
}

# restart_workers <offloads of their uplinks>: those are fixed while a forwarder runs.
restart_workers() {
    local node
    for node in west-worker east-worker; do end_forwarder TERM "$node"; done
    UPLINK_OFFLOADS=$1 start_forwarders west-worker east-worker
    for node in west-worker east-worker; do connect_node "$node"; done
}

# set_offloads <node> <pod> <place> <offloads>: the pod's interface is made anew.
set_offloads() {
    local file=$STATE/nodes/$3-offloads.yaml
    cat >"$file" <<END
endpoints:
  - name: default/$2
    namespace: "$LAB_ID-$3"
    addresses: [${ADDRESS[$3]}]
    offloads: $4
END
    apply_file "$1" "$file"
}

# download <times> <sum> <what>: from east to west, every byte counted in the sum.
download() {
    local url="http://${ADDRESS[east-webpod-1]}:8081/bulk?[1-$1]" seen
    seen=$(set -o pipefail; timeout 300 ip netns exec "$LAB_ID-west-curl-pod" curl -sS "$url" | sha256sum) || seen="curl failed: $seen"
    expect "$3: $(megabytes "$1") MB from east arrive as they were sent" "$2" "${seen%% *}"
}

# upload <times> <what> <uplinks>: from west to east.
upload() {
    local name="iperf3, $2, uplinks $3"
    run_long "$name" west-curl-pod 300 iperf3 -c "${ADDRESS[east-webpod-1]}" -n $(( $1 * BULK_LENGTH )) -J
    expect "$2: iperf3 ends well" "exit code 0" "exit code $RC"
    local retransmits
    show_output "$(jq -r '"\(.end.sum_received.bits_per_second / 1e6 | round) Mbit/s, \(.end.sum_sent.retransmits) retransmits"' <<<"$OUT" 2>&1)"
    retransmits=$(jq '.end.sum_sent.retransmits * 1e9 / .end.sum_sent.bytes | ceil' <<<"$OUT" 2>&1) || retransmits=unknown
    expect_that "$2: no storm of retransmits, $retransmits a GB" "at most $MOST_RETRANSMITS_PER_GB a GB" \
        test "$retransmits" -le "$MOST_RETRANSMITS_PER_GB"
}

megabytes() { printf '%s\n' $(( $1 * BULK_LENGTH / 1000000 )); }
