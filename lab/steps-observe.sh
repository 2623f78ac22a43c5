# shellcheck shell=bash
# steps-observe.sh: the walk-through's steps that watch: flows with names (24), and a policy that tells clusters apart (25).

step_24() {
    heading "Step 24: who speaks with whom, and the web page"
    each_family observe_request
    see west-worker curl -sS -m 5 http://127.0.0.1:8081/
    OUT=$(head -n 3 <<<"$OUT")
    expect_line "the node has a web page" '^<!doctype html>$' "a page"
    wait_for 5 map_is_whole || true
    show_command west-worker curl -sS "$MAP_URL"
    expect "its map shows curl-pod's arrow to webpod, and webpod's to the pods of both clusters" "$WHOLE_MAP" "$(arrows_of_map)"
}

MAP_URL='http://127.0.0.1:8081/data/map?seconds=600'
WHOLE_MAP='pod:east:default/webpod-1 pod:east:default/webpod-2 pod:west:default/webpod-1 pod:west:default/webpod-2 service:west:default/webpod'

# arrows_of_map: where those of west's curl-pod to its webpod end, and those of this.
arrows_of_map() {
    words "$(at west-worker curl -sS -m 5 "$MAP_URL" | jq -r '.arrows[]
        | select((.from == "pod:west:default/curl-pod" and .to == "service:west:default/webpod") or .from == "service:west:default/webpod") | .to')"
}

map_is_whole() { [[ $(arrows_of_map) == "$WHOLE_MAP" ]]; }

# observe_request: west's curl-pod asks a pod of each cluster, and the nodes of both tell of it. From here on its new flows are looked for by
# the time at which they begin, so that none of an earlier step is taken for them.
observe_request() {
    local began other leaves=to-network
    if [[ $MODE != native ]]; then leaves=to-overlay; fi
    began=$(date -u +%FT%T.%NZ)
    see west-curl-pod curl -sS -m 5 "http://$(host "${ADDRESS[east-webpod-1]}")/"
    expect_line "webpod-1 of east answers$OVER" '^Hostname: webpod-east-1$' "webpod-east-1"
    for other in "west-worker:$leaves" east-worker:to-endpoint; do
        wait_for 5 has_seen "${other%:*}" "$began" "${other#*:}" || true
        see_cmesh "${other%:*}" observe --since "$began" --ip-version "$IP" --from-pod default/curl-pod --from-cluster west --to-pod default/webpod-1 --to-cluster east
        expect_line "${other%:*}: names, identities of both clusters, and the verdict$OVER" "$(flow_line "${other#*:}" "TCP Flags: SYN")" \
            "default/curl-pod -> default/webpod-1 ${other#*:} FORWARDED"
        expect "${other%:*}: the identities are west's and east's$OVER" "west east" "$(clusters_of_identities)"
    done
    see_cmesh west-worker observe --server "unix://$(socket_directory west-worker)/relay.sock" --since "$began" --ip-version "$IP" --numeric --print-node-name \
        --from-ip "${ADDRESS[west-curl-pod]}" --to-ip "${ADDRESS[east-webpod-1]}"
    expect "a relay shows what the nodes of both clusters saw, by address$OVER" "[east/east-worker] [west/west-worker]" \
        "$(words "$(grep -F " -> $(host "${ADDRESS[east-webpod-1]}"):80 " <<<"$OUT" | grep -oE '\[(west|east)/[a-z-]+\]' || true)")"
}

# flow_line <what became of it> <summary>: a flow of curl-pod to webpod-1 as a regular expression.
flow_line() { printf '%s\n' "default/curl-pod:[0-9]+ \\(ID:[0-9]+\\) -> default/webpod-1:80 \\(ID:[0-9]+\\) $1 FORWARDED \\($2\\)"; }

# has_seen <node> <since> <what became of it>
has_seen() {
    OUT=$(cmesh_on "$1" observe --since "$2" --ip-version "$IP" --to-pod default/webpod-1 2>&1) && grep -qE "$(flow_line "$3" "TCP Flags: SYN")" <<<"$OUT"
}

# clusters_of_identities: whose ranges the two numbers of each line of $OUT are in.
clusters_of_identities() {
    paste -sd' ' - <<<"$(sed -nE 's/.*\(ID:([0-9]+)\).*\(ID:([0-9]+)\).*/\1 \2/p' <<<"$OUT" | sort -u |
        awk '{ for (i = 1; i <= 2; i++) print int($i / 65536) == 1 ? "west" : int($i / 65536) == 2 ? "east" : "neither" }')"
}

step_25() {
    heading "Step 25: a policy that admits the curl-pod of one cluster"
    local cluster
    for cluster in west east; do
        see_mesh apply -f "$STATE/manifests/mesh/only-west.yaml" --context "$cluster"
        expect "$cluster takes it" "ciliumnetworkpolicy/default/only-west created" "$OUT"
        wait_for 10 has_policy "$cluster-worker" || true
        see_cmesh "$cluster-worker" policy list
        expect_line "$cluster-worker: it selects both webpods" '^cnp/default/only-west +CiliumNetworkPolicy .* ingress +1 +default/webpod-1,default/webpod-2$' "both webpods"
    done
    each_family policy_tells_clusters_apart
    for cluster in west east; do
        see_mesh delete -f "$STATE/manifests/mesh/only-west.yaml" --context "$cluster"
        expect "$cluster: it is taken back" "ciliumnetworkpolicy/default/only-west deleted" "$OUT"
        wait_for 10 has_no_policy "$cluster-worker" || true
    done
    each_family policy_is_gone
}

has_policy() { cmesh_on "$1" policy list 2>/dev/null | grep -q 'only-west .*default/webpod-1,default/webpod-2$'; }

has_no_policy() { ! cmesh_on "$1" policy list 2>/dev/null | grep -q only-west; }

policy_tells_clusters_apart() {
    local began target
    see_requests west-curl-pod 20 "http://$(host "${VIP[west]}")/"
    expect "west's curl-pod reaches webpod in both clusters$OVER" "20 answers" "$(grep -c '^Hostname: ' <<<"$OUT" || true) answers$(failures)"
    for target in west-webpod-1 east-webpod-1; do
        began=$(date -u +%FT%T.%NZ)
        see east-curl-pod curl -sS -m 1 "http://$(host "${ADDRESS[$target]}")/"
        expect "east's does not reach $target$OVER" "exit code 28" "exit code $RC"
        wait_for 5 has_dropped "${target%%-*}-worker" "$began" || true
        see_cmesh "${target%%-*}-worker" observe --since "$began" --ip-version "$IP" --verdict DROPPED --from-pod default/curl-pod --from-cluster east
        expect_line "${target%%-*}-worker says why$OVER" "$DENIED_LINE" "default/curl-pod -> default/webpod-1 Policy denied DROPPED"
        see_cmesh "${target%%-*}-worker" policy explain --from "${ADDRESS[east-curl-pod]}" --to default/webpod-1 --port 80/TCP
        expect_line "and explains it$OVER" '^Ingress: +denied: its ingress is closed, and no rule allows it ' "denied"
        see_cmesh "${target%%-*}-worker" policy explain --from "${ADDRESS[west-curl-pod]}" --to default/webpod-1 --port 80/TCP
        expect_line "as it explains why west's may$OVER" '^Verdict: +allowed' "allowed"
    done
}

DENIED_LINE='default/curl-pod:[0-9]+ \(ID:[0-9]+\) -> default/webpod-1:80 \(ID:[0-9]+\) Policy denied DROPPED \(TCP Flags: SYN\)'

has_dropped() {
    OUT=$(cmesh_on "$1" observe --since "$2" --ip-version "$IP" --verdict DROPPED --from-cluster east 2>&1) && grep -qE "$DENIED_LINE" <<<"$OUT"
}

policy_is_gone() {
    see east-curl-pod curl -sS -m 5 "http://$(host "${ADDRESS[west-webpod-1]}")/"
    expect_line "east's curl-pod is let in again$OVER" '^Hostname: webpod-west-1$' "webpod-west-1"
}
