#!/usr/bin/env bash
# kubelet.sh: what Kubernetes does between a deployment and its pods, for one cluster of a world. A pod is a namespace that exists already; it
# runs when its server does. What deployments want is started and told to the agent as a ready pod; what they no longer want goes on for as
# long as the agents let its flows drain, and is then stopped and deleted; what dies is started again. Started by mesh.sh.
set -euo pipefail

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
CMESH=$ROOT/bin/cmesh
# shellcheck source=lab/print.sh
source "$ROOT/lab/print.sh"
# shellcheck source=lab/unprivileged.sh
source "$ROOT/lab/unprivileged.sh"
# shellcheck source=lab/process.sh
source "$ROOT/lab/process.sh"
# shellcheck source=lab/checks.sh
source "$ROOT/lab/checks.sh"
# shellcheck source=lab/family.sh
source "$ROOT/lab/family.sh"
# shellcheck source=lab/world.sh
source "$ROOT/lab/world.sh"
# shellcheck source=lab/servers.sh
source "$ROOT/lab/servers.sh"
# shellcheck source=lab/mesh.sh
source "$ROOT/lab/mesh.sh"

choose_world "$1"
CLUSTER=$2

# Pods of each deployment in the order in which they are started, their label, their server's process and port.
declare -A PODS_OF=([default/webpod]='webpod-1 webpod-2' [kube-system/coredns]=coredns [kube-system/clustermesh-apiserver]=clustermesh-apiserver)
declare -A LABEL_OF=([default/webpod]='app: webpod' [kube-system/coredns]='k8s-app: kube-dns' [kube-system/clustermesh-apiserver]='k8s-app: clustermesh-apiserver')
declare -A SERVER_OF=([webpod-1]=nginx [webpod-2]=nginx [coredns]=dnsmasq [clustermesh-apiserver]=etcd)
declare -A PORT_OF=([nginx]=80 [dnsmasq]=53 [etcd]=2379)

# Milliseconds from when a pod is no longer wanted until it is stopped.
GRACE=3000

# Pods that the agent knows as ready, and when those that are not wanted are to be stopped.
declare -A READY=() STOP_AT=()

main() {
    local again=1
    mkfifo "$STATE/kubelet/$CLUSTER.pause"
    # Nobody ever writes to it: reading with a limit is a pause that starts no process.
    exec 5<>"$STATE/kubelet/$CLUSTER.pause" 6<"$STATE/log/objects-$CLUSTER.log"
    while true; do
        if (( again )); then
            again=0
            reconcile || again=1
        fi
        read -r -t 0.2 -u 5 || true
        while read -r -u 6; do again=1; done
        if something_ended || something_is_due; then again=1; fi
    done
}

something_ended() {
    local pod
    for pod in "${!READY[@]}"; do
        if server_is_gone "$pod"; then return 0; fi
    done
    return 1
}

something_is_due() {
    local pod now=$(( ${EPOCHREALTIME/[.,]/} / 1000 ))
    for pod in "${!STOP_AT[@]}"; do
        if (( now >= STOP_AT[$pod] )); then return 0; fi
    done
    return 1
}

# server_is_gone <pod>: as is_gone, without starting a process for it.
server_is_gone() {
    local pid started
    { read -r pid started <"$STATE/pid/$CLUSTER-$1-${SERVER_OF[$1]}"; } 2>/dev/null || return 0
    if start_time "$pid" && [[ $START_TIME == "$started" ]]; then return 1; fi
}

# reconcile: false when it must be tried again.
reconcile() {
    local deployments deployment replicas pod index
    local -A wanted=()
    deployments=$("$CMESH" get deployments -A -o json --context "$CLUSTER" | jq -r '.[] | "\(.namespace)/\(.name) \(.replicas)"') || return 1
    while read -r deployment replicas; do [[ -z $deployment ]] || wanted[$deployment]=$replicas; done <<<"$deployments"
    for deployment in "${!PODS_OF[@]}"; do
        index=0
        for pod in ${PODS_OF[$deployment]}; do
            if (( index < ${wanted[$deployment]:-0} )); then
                run_pod "$deployment" "$pod" || return 1
            else
                end_pod "$deployment" "$pod" || return 1
            fi
            index=$(( index + 1 ))
        done
    done
    give_addresses
}

# run_pod <deployment> <pod>: not ready while its server is down.
run_pod() {
    local place=$CLUSTER-$2
    unset "STOP_AT[$2]"
    if server_is_gone "$2"; then
        if [[ ${READY[$2]:-} ]]; then
            printf '%s: ended by itself, is started again\n' "$2"
            unset "READY[$2]"
            apply_pod "$1" "$2" False || return 1
        fi
        case ${SERVER_OF[$2]} in
            nginx) start_web "$place" "webpod-$CLUSTER-${2##*-}" ;;
            dnsmasq) start_dns "$CLUSTER" ;;
            etcd) start_mesh_etcd "$CLUSTER" ;;
        esac
    fi
    [[ -z ${READY[$2]:-} ]] || return 0
    wait_for 5 listens "$place" "${PORT_OF[${SERVER_OF[$2]}]}" || return 1
    apply_pod "$1" "$2" True || return 1
    READY[$2]=1
    printf '%s: ready\n' "$2"
}

# end_pod <deployment> <pod>: its volumes end with it, as Kubernetes' emptyDir does.
end_pod() {
    [[ ${READY[$2]:-} ]] || return 0
    local now=$(( ${EPOCHREALTIME/[.,]/} / 1000 ))
    if [[ -z ${STOP_AT[$2]:-} ]]; then
        STOP_AT[$2]=$(( now + GRACE ))
    elif (( now >= STOP_AT[$2] )); then
        stop "$CLUSTER-$2-${SERVER_OF[$2]}"
        "$CMESH" delete pods "${1%/*}/$2" --context "$CLUSTER" || return 1
        rm -rf "$STATE/servers/$CLUSTER-$2"
        unset "STOP_AT[$2]" "READY[$2]"
        printf '%s: stopped\n' "$2"
    fi
}

# apply_pod <deployment> <pod> <ready: True or False>
apply_pod() {
    local file=$STATE/kubelet/$CLUSTER-$2.yaml node=$CLUSTER-worker
    [[ $2 != coredns ]] || node=$CLUSTER-control-plane
    cat >"$file" <<END
apiVersion: v1
kind: Pod
metadata: {name: $2, namespace: ${1%/*}, labels: {${LABEL_OF[$1]}}}
spec: {nodeName: $node}
status: {podIPs: [{ip: "$(of_all_families ADDRESS "$CLUSTER-$2" '"}, {ip: "')"}], conditions: [{type: Ready, status: "$3"}]}
END
    "$CMESH" apply --context "$CLUSTER" -f "$file"
}

# give_addresses: pods of no deployment run from the beginning; they are told which address they have.
give_addresses() {
    local pods pod
    pods=$("$CMESH" get pods -A -o json --context "$CLUSTER") || return 1
    for pod in $(jq -r '.[] | select(.ips == []) | .name' <<<"$pods"); do
        [[ ${ADDRESS[$CLUSTER-$pod]:-} ]] || continue
        jq --arg pod "$pod" --arg ips "$(of_all_families ADDRESS "$CLUSTER-$pod" ' ')" '.[] | select(.name == $pod) | { apiVersion: "v1", kind: "Pod",
            metadata: { name, namespace, labels }, spec: { nodeName }, status: { podIPs: [$ips | split(" ")[] | { ip: . }] } }' <<<"$pods" >"$STATE/kubelet/$CLUSTER-$pod.json"
        "$CMESH" apply --context "$CLUSTER" -f "$STATE/kubelet/$CLUSTER-$pod.json" || return 1
    done
}

main
