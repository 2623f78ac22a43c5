# shellcheck shell=bash
# soak.sh: a mesh under verified traffic for minutes or hours, while operations that the dice choose are done to it; every minute says a line, and
# a report ends it: what was done, what was lost and whether something explains it, and what processes and tables grew to. Run as lab/soak.

# What is done, how often by comparison, and what it may cost: connections, datagrams (nobody counts what lies in a killed process), requests.
SOAK_OPERATIONS=(
    'services     6 0  0    0'
    'policies     3 0  0    0'
    'scaling      2 40 400  20'
    'joining      1 60 9000 120'
    'agent        2 0  0    0'
    'etcd         1 0  0    0'
    'killing      2 0  9000 40'
    'takeover     3 0  0    0'
    'wire         3 0  0    5'
    'pods         4 0  0    0'
    'listeners    4 0  0    0'
    'questions    3 0  0    0'
)

# soak <minutes>
soak() {
    local minutes=$1 minute end
    chaos_world
    write_slices
    mkdir -p "$STATE/soak"
    SAMPLES=$STATE/soak/samples WINDOWS=$STATE/soak/windows DONE=$STATE/soak/done
    : >"$SAMPLES" >"$WINDOWS" >"$DONE"
    heading "Soak: $minutes minutes, the dice begin with --seed $SEED"
    close_window
    for (( minute = 1; minute <= minutes; minute++ )); do
        end=$(( $(milliseconds) + 60000 ))
        soak_minute "$minute" "$end"
    done
    soak_report "$minutes"
}

# soak_minute <number> <when it ends>
soak_minute() {
    local before counted by_wire missing unexplained lost name
    before=$(counted_losses)
    ask_wire clusters
    ALLOWED=(0 0 0)
    MINUTE_DONE=''
    # What was done last settles before the window is closed.
    while (( $(milliseconds) < $2 - 14000 )); do do_something; done
    set_wire clusters >/dev/null
    settle
    while (( $(milliseconds) < $2 )); do sleep 0.1; done
    close_window
    counted=$(losses_since "$before")
    ask_wire clusters
    missing=$(of_window .missing)
    lost=$(of_window .lost)
    by_wire=$(losses_of_wire)
    unexplained=$(( missing - counted - by_wire - ALLOWED[1] ))
    (( unexplained > 0 )) || unexplained=0
    printf '%s\n' "$WINDOW" | jq -c ". + {minute: $1, counted: $counted, byWire: $by_wire, unexplained: $unexplained, lostAllowed: ${ALLOWED[0]}, failedAllowed: ${ALLOWED[2]}}" >>"$WINDOWS"
    sample "$1"
    clear_progress
    printf '%3d  %s lost %s missing (%s counted, %s by the wire, %s unexplained) %s wrong %s failed, p50 %s p99.9 %s ms:%s\n' "$1" "$lost" "$missing" "$counted" "$by_wire" "$unexplained" "$(of_window .wrong)" \
        "$(of_window .failed)" "$(of_window .p50Ms)" "$(of_window .p999Ms)" "$MINUTE_DONE"
    for name in "${NODES[@]}"; do
        pid_of "$name-forwarder" >/dev/null && pid_of "$name-agent" >/dev/null || die 1 "in minute $1 a process of $name has ended: $(last_words "$name") $(log_tail "$name-agent")"
    done
}

# settle: until both clusters have what they are to have, at most 10 s.
settle() {
    local cluster
    for cluster in west east; do "$CMESH" scale deployment webpod --replicas 2 --context "$cluster" >/dev/null 2>&1 || true; done
    wait_for 10 all_know_everything || true
}

# do_something: what the dice say.
do_something() {
    local -a bag=() parts
    local entry number
    for entry in "${SOAK_OPERATIONS[@]}"; do
        read -ra parts <<<"$entry"
        for (( number = 0; number < parts[1]; number++ )); do bag+=("$entry"); done
    done
    throw_dice "${#bag[@]}"
    read -ra parts <<<"${bag[ROLLED]}"
    for number in 0 1 2; do ALLOWED[number]=$(( ALLOWED[number] + parts[number + 2] )); done
    throw_dice 2
    SOAK_CLUSTER=$( (( ROLLED )) && echo west || echo east)
    printf '%s\n' "${parts[0]}" >>"$DONE"
    MINUTE_DONE+=" ${parts[0]}"
    "soak_${parts[0]}" >>"$STATE/log/soak.log" 2>&1 || printf 'the operation %s failed\n' "${parts[0]}" >>"$DONE"
    sleep 0.2
}

# told <arguments...>: cmesh, of the cluster that is on.
told() { timeout 30 "$CMESH" "$@" --context "$SOAK_CLUSTER"; }

# soak_services: some come, change and go.
soak_services() {
    local file=$STATE/soak/services.yaml number block
    throw_dice 200
    block=$ROLLED
    : >"$file"
    for (( number = 0; number < 10; number++ )); do
        cat >>"$file" <<END
---
apiVersion: v1
kind: Service
metadata: {name: soak-$block-$number, annotations: {service.cilium.io/global: "$( (( number % 2 )) && echo true || echo false)"}}
spec:
  clusterIP: 10.$( [[ $SOAK_CLUSTER == west ]] && echo 2 || echo 3).$(( 100 + block % 100 )).$(( number + 1 ))
  selector: {app: webpod}
  ports:
    - {port: 80, protocol: TCP}
END
    done
    told apply -f "$file"
    apply_changing "$SOAK_CLUSTER" 2
    apply_changing "$SOAK_CLUSTER" 1
    for (( number = 0; number < 10; number++ )); do told delete service "default/soak-$block-$number"; done
}

# soak_policies: the curl-pods may be entered by nobody, which concerns no flow of ours.
soak_policies() {
    cat >"$STATE/soak/policy.yaml" <<END
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: soak}
spec:
  podSelector: {matchLabels: {app: curl}}
  policyTypes: [Ingress]
END
    told apply -f "$STATE/soak/policy.yaml"
    sleep 1
    told delete networkpolicy default/soak
}

soak_scaling() {
    told scale deployment webpod --replicas 1
    sleep 4
    told scale deployment webpod --replicas 2
}

soak_joining() {
    "$CMESH" clustermesh disconnect --context west --destination-context east
    sleep 1
    "$CMESH" clustermesh connect --context west --destination-context east
    "$CMESH" clustermesh status --context west --wait --wait-duration 20
    "$CMESH" clustermesh status --context east --wait --wait-duration 20
}

# Processes are killed and replaced in west alone: those of east live as long as the run, and show what they grow to.
soak_agent() {
    end_agent west-worker
    start_agents west-worker
}

soak_etcd() { signal KILL "$SOAK_CLUSTER-clustermesh-apiserver-etcd"; }

soak_killing() {
    end_forwarder KILL west-worker
    start_forwarders west-worker
}

soak_takeover() { replace_forwarder west-worker; }

soak_wire() {
    local loss delay
    throw_dice 3; loss=$ROLLED
    throw_dice 10; delay=$ROLLED
    throw_dice 5
    set_wire clusters loss "$loss" delay "$delay" reorder "$ROLLED" duplicate 1 corrupt 0.2
    sleep 2
    set_wire clusters
}

# soak_pods: one comes and goes.
soak_pods() {
    local place=$SOAK_CLUSTER-spare node=$SOAK_CLUSTER-worker address
    address=10.$( [[ $SOAK_CLUSTER == west ]] && echo 0 || echo 1).1.99
    add_place "$place"
    printf 'endpoints:\n  - {name: default/spare, namespace: "%s", addresses: [%s]}\n' "$LAB_ID-$place" "$address" >"$STATE/soak/spare.yaml"
    cmesh_on "$node" apply -f "$STATE/soak/spare.yaml"
    at "$place" ping -c 3 -i 0.2 -W 1 "${ADDRESS[$SOAK_CLUSTER-webpod-1]}"
    cmesh_on "$node" delete endpoint default/spare
    ip netns del "$LAB_ID-$place"
}

# soak_listeners: somebody looks on for a while.
soak_listeners() {
    timeout 2 "$CMESH" monitor --node "$SOAK_CLUSTER-worker" >/dev/null &
    timeout 2 "$CMESH" observe --follow --node "$SOAK_CLUSTER-worker" >/dev/null &
    timeout 2 "$CMESH" capture --node "$SOAK_CLUSTER-worker" -w "$STATE/soak/captured.pcapng" --count 2000 >/dev/null &
    sleep 2.5
    rm -f "$STATE/soak/captured.pcapng"
}

soak_questions() {
    local question
    timeout 20 "$CMESH" trace --node "$SOAK_CLUSTER-worker" --from default/curl-pod --to "${VIP[$SOAK_CLUSTER]}:80"
    for question in status counters 'ct list' 'nat list' 'service list' 'ipcache list'; do
        # shellcheck disable=SC2086
        cmesh_on "$SOAK_CLUSTER-worker" $question >/dev/null
    done
    timeout 20 "$CMESH" metrics --node "$SOAK_CLUSTER-worker" >/dev/null
}

# sample <minute>: memory of each process that is its own (anonymous, bytes that it shares with nobody), its files and threads; the managed heap behind
# the last collection, and what the last one of the whole heap left alive (0 where the metrics do not tell); how full the tables of each node are.
sample() {
    local node program pid page
    for node in "${NODES[@]}"; do
        page=$(curl -s -m 5 --unix-socket "$(socket_directory "$node")/api.sock" http://agent/metrics) || page=''
        for program in forwarder agent; do
            pid=$(pid_of "$node-$program") || continue
            awk -v minute="$1" -v process="$node-$program" -v pid="$pid" -v files="$(find "/proc/$pid/fd" -mindepth 1 | wc -l)" -v label="{program=\"$program\"}" '
                /^RssAnon/ { memory = $2 }
                /^Threads/ { threads = $2 }
                $1 == "dotnet_gc_last_collection_heap_size_bytes" label { heap = $2 / 1024 }
                $1 == "cmesh_gc_alive_bytes" label { alive = $2 / 1024 }
                END { printf "%d %s %d %d %d %d %d %d\n", minute, process, pid, memory, files, threads, heap, alive }' "/proc/$pid/status" - <<<"$page" >>"$SAMPLES"
        done
        json "$node" '"conntrack \(.conntrack.entries) snat \(.snat.entries) neighbors \(.neighbors.entries) services \(.services) backends \(.backends)"' status 2>/dev/null |
            sed "s/^/$1 $node /" >>"$STATE/soak/tables" || true
    done
}

# soak_report <minutes>
soak_report() {
    local minutes=$1 grown failed
    heading "Soak: operations"
    show_output "$(sort "$DONE" | uniq -c | sort -rn)"
    failed=$(grep 'failed$' "$DONE" | sort | uniq -c | paste -sd';' -) || true
    expect "every operation succeeds" "none failed" "${failed:-none failed}"
    heading "Soak: traffic"
    show_output "$(jq -rs '"\(map(.bytes) | add / 1e6 | floor) MB and \(map(.datagrams) | add) datagrams; connections lost \(map(.lost) | add), datagrams missing \(map(.missing) | add), requests failed \(map(.failed) | add) of \(map(.requests + .failed) | add)"' "$WINDOWS")"
    show_output "$(jq -rs '"round trip in ms, median of the minutes: p50 \(map(.p50Ms) | sort | .[length / 2 | floor]), p99 \(map(.p99Ms) | sort | .[length / 2 | floor]), p99.9 \(map(.p999Ms) | sort | .[length / 2 | floor])"' "$WINDOWS")"
    expect "every byte that arrived is right" "0 wrong" "$(jq -s 'map(.wrong) | add' "$WINDOWS") wrong"
    expect "no drop is without an explanation" "0 datagrams" "$(jq -s 'map(.unexplained) | add' "$WINDOWS") datagrams"
    expect "connections are lost only where an operation says so" "no minute" "$(jq -rs 'map(select(.lost > .lostAllowed) | "minute \(.minute): \(.lost) (\(.reason))") | join("; ")' "$WINDOWS" | sed 's/^$/no minute/')"
    expect "requests fail only where an operation says so" "no minute" "$(jq -rs 'map(select(.failed > .failedAllowed) | "minute \(.minute): \(.failed) (\(.reason))") | join("; ")' "$WINDOWS" | sed 's/^$/no minute/')"
    heading "Soak: memory, files and threads; medians of the second and the last quarter"
    grown=$(quarters "$minutes")
    show_output "$(grep -v '^GROWN' <<<"$grown")"
    grown=$(sed -n 's/^GROWN //p' <<<"$grown" | paste -sd';' -)
    if (( minutes >= 4 )); then
        expect "no process that lived all the while has grown by more than 5 %" "none" "${grown:-none}"
    fi
    heading "Soak: tables, least and most"
    show_output "$(table_fills)"
    heading "Soak: drops of all forwarders, by reason, since they started"
    show_output "$(drops_by_reason)"
    judge_afterwards
}

# quarters <minutes>: a line a process; those that grew again with GROWN before. One that was started anew has the memory of its age: it is shown only.
# That what is alive grows is a leak; that only the process does is room that its runtime keeps.
quarters() {
    awk -v minutes="$1" '
        function median(list, count,    i, j, t) {
            for (i = 2; i <= count; i++) { t = list[i]; for (j = i - 1; j > 0 && list[j] > t; j--) list[j + 1] = list[j]; list[j + 1] = t }
            return list[int((count + 1) / 2)]
        }
        { minutely[$2] = minutely[$2] sprintf(" %.0f", $4 / 1024); quarter = int(($1 - 1) * 4 / minutes) + 1; k = $2 SUBSEP quarter; names[$2]; n = ++count[k]; for (field = 4; field <= 8; field++) value[k, n, field] = $field
          if (pids[$2] != $3) { if (pids[$2]) restarts[$2]++; pids[$2] = $3 } }
        function of(name, quarter, field,    list, i, k) {
            k = name SUBSEP quarter; delete list
            for (i = 1; i <= count[k]; i++) list[i] = value[k, i, field]
            return median(list, count[k])
        }
        END {
            for (name in names) {
                m2 = of(name, 2, 4); m4 = of(name, 4, 4)
                printf "%-30s %7.1f MB %7.1f MB (%+.1f %%), heap %.1f %.1f MB, alive %.1f %.1f MB, files %d %d, threads %d %d, restarted %d times\n", name, m2 / 1024, m4 / 1024,
                    m2 ? (m4 - m2) * 100 / m2 : 0, of(name, 2, 7) / 1024, of(name, 4, 7) / 1024, of(name, 2, 8) / 1024, of(name, 4, 8) / 1024,
                    of(name, 2, 5), of(name, 4, 5), of(name, 2, 6), of(name, 4, 6), restarts[name] | "sort"
                if (!restarts[name]) printf "%-30s minute by minute %s\n", name, minutely[name] | "sort"
                if (!restarts[name] && m4 > m2 * 1.05) grown = grown sprintf("GROWN %s from %.1f to %.1f MB\n", name, m2 / 1024, m4 / 1024)
            }
            close("sort"); printf "%s", grown
        }' "$SAMPLES"
}

table_fills() {
    awk '{ for (i = 3; i < NF; i += 2) { k = $2 " " $i; if (!(k in least) || $(i + 1) < least[k]) least[k] = $(i + 1); if ($(i + 1) > most[k]) most[k] = $(i + 1) } }
        END { for (k in least) print k, least[k], most[k] }' "$STATE/soak/tables" | sort
}
