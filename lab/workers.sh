# shellcheck shell=bash
# workers.sh: forwarders with several workers. Part of ./run-lab.sh acceptance; the clusters are connected.

# several_workers <workers> <connections> <tolerance in per cent> <seconds>: the two worker nodes forward with so many threads for a while.
several_workers() {
    heading "Acceptance: $1 workers in west-worker and east-worker"
    local node had=${CMESH_WORKERS:-1} without=''
    restart_with "$1" TERM
    for node in west-worker east-worker; do
        expect "$node has them" "$1 workers" "$(json "$node" '.workers | length' status 2>&1) workers"
    done
    many_connections "$2" "$3"
    long_stream "$4"
    heading "Acceptance: what each of $1 workers did, and SIGKILL to all of them"
    for node in west-worker east-worker; do
        show_output "$(json "$node" '.workers[] | "\(.name): \(.forwardedPackets) forwarded, \(.handedOverPackets) handed over"' status 2>&1)"
        without+=$(json "$node" '.workers[] | select(.forwardedPackets == 0) | .name' status 2>&1)
    done
    expect "each has forwarded" "none without a packet" "${without:-none without a packet}"
    restart_with "$1" KILL
    expect_ping west-curl-pod east-curl-pod 62
    restart_with "$had" TERM
}

# restart_with <workers> <signal that ends those that run>
restart_with() {
    local node
    for node in west-worker east-worker; do end_forwarder "$2" "$node"; done
    CMESH_WORKERS=$1 start_forwarders west-worker east-worker
    for node in west-worker east-worker; do connect_node "$node"; done
}
