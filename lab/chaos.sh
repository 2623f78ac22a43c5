# shellcheck shell=bash
# chaos.sh: what happens to a mesh under verified traffic when the network, its processes and the machine misbehave. Run as ./run-lab.sh chaos
# [--short] [--only NAME,NAME] [--seed N] [--connections N] [--datagrams N], in a world of its own. What is done and what it may cost stands in chaos/scenarios.txt, how in
# chaos-network.sh and chaos-machine.sh.

SCENARIOS=$ROOT/lab/chaos/scenarios.txt

# scenario_names <short or full>
scenario_names() { awk -v size="$1" '!/^#/ && NF && (size == "full" || $2 == size) { print $1 }' "$SCENARIOS"; }

# throw_dice <most>: a number from 0 to below it, by the seed; in ROLLED, for a subshell would throw the same dice again.
throw_dice() {
    DICE=$(( (DICE * 6364136223846793005 + 1442695040888963407) & 0x7fffffffffffffff ))
    ROLLED=$(( (DICE >> 24) % $1 ))
}

# chaos <short or full> <scenario...>
chaos() {
    local size=$1 name; shift
    PAUSE=4
    AWAY=60
    if [[ $size == short ]]; then
        PAUSE=1
        AWAY=4
    fi
    DICE=$SEED
    say "the dice begin with --seed $SEED"
    if [[ " $* " == *' lab_itself '* ]]; then lab_itself "$size"; fi
    if [[ $* == lab_itself ]]; then return; fi
    chaos_world
    for name; do
        if [[ $name != lab_itself ]]; then run_scenario "$name"; fi
    done
    heading "Chaos: drops of all forwarders, by reason, since they started"
    show_output "$(drops_by_reason)"
}

# chaos_world: both clusters joined, echo servers in every webpod, flows that outlive their forwarders, and the traffic.
chaos_world() {
    local cluster
    KEEP=1
    world_up mesh
    for cluster in west east; do
        do_mesh apply -f "lab/chaos/$cluster.yaml" --context "$cluster"
        deploy "$cluster"
    done
    enable_mesh
    connect_mesh
    start_echoes
    wire_between_clusters
    for cluster in west east; do wait_for 20 answers_everywhere "$cluster" || die 1 "the echo service of $cluster does not answer: $OUT"; done
    for cluster in west east; do start_steady "$cluster"; done
    wait_for 20 is_quiet_again || true
    expect_that "before anything happens all is well" "all $STEADY_COUNT connections, nothing missing or failed" window_holds ".connections == $STEADY_COUNT and .missing == 0 and .failed == 0"
}

answers_everywhere() {
    lists_backends "$1-worker" "$ALL_WEBPODS" && OUT=$(at "$1-curl-pod" curl -sS -m 3 "http://${VIP[$1]}/" 2>&1)
}

# run_scenario <name>
run_scenario() {
    local name lost gap datagrams requests explained what before
    read -r name _ lost gap datagrams requests explained what < <(awk -v name="$1" '$1 == name' "$SCENARIOS")
    heading "Chaos: $name, $what"
    close_window
    before=$(counted_losses)
    ask_wire clusters
    WIRE_LOSSES=0
    "chaos_$name"
    sleep "$PAUSE"
    judge_while "$before" "$lost" "$gap" "$datagrams" "$requests" "$explained"
    judge_afterwards
}

# judge_while <counted before> <lost> <gap> <datagrams> <requests> <explained>
judge_while() {
    local counted missing
    close_window
    counted=$(losses_since "$1")
    ask_wire clusters
    WIRE_LOSSES=$(( WIRE_LOSSES + $(losses_of_wire) ))
    show_output "$(window_text)"
    show_output "counted: $counted by forwarders and TAPs, $WIRE_LOSSES by the wire: $OUT"
    missing=$(of_window .missing)
    expect "every byte that arrived is right" "0 wrong" "$(of_window .wrong) wrong"
    expect_that "at most $2 connections are lost" "at most $2" window_holds ".lost <= $2"
    expect_that "none hears nothing for more than $3 ms" "at most $3 ms" window_holds ".gapMs <= $3"
    expect_that "at most $4 % of the datagrams are missing" "at most $4 %" window_holds ".missing <= .datagrams * $4 / 100"
    expect_that "at most $5 short requests fail" "at most $5" window_holds ".failed <= $5"
    if [[ $6 == yes ]]; then
        expect_that "every missing datagram is counted somewhere" "at most $(( counted + WIRE_LOSSES )) missing" test "$missing" -le $(( counted + WIRE_LOSSES ))
    fi
}

# window_holds <jq condition>: leaves what was seen for the check's line.
window_holds() {
    OUT=$(window_text)
    [[ $(of_window "$1") == true ]]
}

# judge_afterwards: all is as if nothing had been.
judge_afterwards() {
    local node dead=''
    wait_for 20 is_quiet_again || true
    close_window
    sleep 1
    close_window
    show_output "$(window_text)"
    expect_that "afterwards nothing is lost" "all $STEADY_COUNT connections, nothing missing, wrong or failed, no gap above 1 s" window_holds \
        ".connections == $STEADY_COUNT and .lost == 0 and .missing == 0 and .wrong == 0 and .failed == 0 and .gapMs < 1000 and .requests > 0"
    for node in "${NODES[@]}"; do
        pid_of "$node-forwarder" >/dev/null || dead+="forwarder of $node "
        pid_of "$node-agent" >/dev/null || dead+="agent of $node "
    done
    expect "all forwarders and agents live" "none is dead" "${dead:-none is dead}"
    wait_for 20 all_know_everything || true
    expect "every node is well and knows every backend" "nothing wrong" "$(what_is_wrong)"
}

# is_quiet_again: a window with all connections and without a loss; the first ones behind a disturbance may still be retransmitting.
is_quiet_again() {
    close_window
    window_holds ".connections == $STEADY_COUNT and .missing == 0 and .failed == 0 and .gapMs < 1000"
}

all_know_everything() { [[ $(what_is_wrong) == 'nothing wrong' ]]; }

# what_is_wrong: of each node's forwarder and agent, and which backends they list.
what_is_wrong() {
    local node wrong=''
    for node in "${NODES[@]}"; do
        cmesh_on "$node" status >/dev/null 2>&1 || wrong+="$node: $(cmesh_on "$node" status 2>&1 | grep -vE ': +OK|^ ' | head -n 3 | paste -sd';' -)  "
        lists_backends "$node" "$ALL_WEBPODS" || wrong+="$node lists other backends  "
    done
    printf '%s\n' "${wrong:-nothing wrong}"
}
