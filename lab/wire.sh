# shellcheck shell=bash
# wire.sh: a bad wire between the clusters, or between a pod and its node: native/badwire.c.

# start_wire <name> <side> <side>: a side is --tap=place:interface or --packet=place:interface.
start_wire() {
    local name=$1 side; shift
    local -a sides=()
    for side; do sides+=("${side%%=*}" "$LAB_ID-${side#*=}"); done
    : >"$STATE/wire-$name"
    start "wire-$name" - "$BADWIRE" "${sides[@]}" --settings "$STATE/wire-$name" --seed "$SEED"
    wait_for 5 grep -q '^ready' "$STATE/log/wire-$name.log" || die 1 "the bad wire $name does not stand: $(log_tail "wire-$name")"
}

# set_wire <name> <words...>: none of them is a good wire.
set_wire() {
    local name=$1; shift
    show_command machine badwire "$name: ${*:-good}"
    printf '%s\n' "$*" >"$STATE/wire-$name"
    signal HUP "wire-$name"
}

# ask_wire <name>: what it has done since it was last asked, as JSON in OUT.
ask_wire() {
    local lines
    lines=$(wc -l <"$STATE/log/wire-$1.log")
    signal USR1 "wire-$1"
    wait_for 5 wire_has_said "$1" "$lines" || die 1 "the bad wire $1 says nothing: $(log_tail "wire-$1")"
    OUT=$(tail -n 1 "$STATE/log/wire-$1.log")
}

wire_has_said() { (( $(wc -l <"$STATE/log/wire-$1.log") > $2 )); }

# losses_of_wire: of OUT; a damaged frame is as good as lost.
losses_of_wire() { jq '.lost + .corrupted + .refused + .overflown' <<<"$OUT"; }

# wire_between_clusters: east's nodes get a bridge of their own, and the wire is all that lies between.
wire_between_clusters() {
    ip -n "$LAB_ID-net" -batch - <<END
link add br1 type bridge stp_state 0 forward_delay 0
link set br1 up
END
    start_wire clusters --tap=net:wire0 --tap=net:wire1
    ip -n "$LAB_ID-net" -batch - <<END
link set wire0 master br0 txqueuelen 10000 up
link set wire1 master br1 txqueuelen 10000 up
link set east-cp master br1
link set east-worker master br1
END
}
