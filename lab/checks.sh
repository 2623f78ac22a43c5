# shellcheck shell=bash
# checks.sh: how a check is made and shown. `see` runs and shows a command and keeps its answer; `expect_…` judges it.

OUT=''
RC=0

# see <place> <command...>: inside a namespace.
see() {
    local place=$1; shift
    show_command "$place" "$@"
    RC=0
    OUT=$(timeout --foreground 20 ip netns exec "$LAB_ID-$place" "$@" 2>&1) || RC=$?
    show_output "$OUT"
}

# Ports of pods that their kernel gives to nobody, and the next of them that nobody has had.
FRESH_PORTS=12000-31999
FRESH_PORT=${FRESH_PORTS%-*}
# Requests over and over have those from here on, one after the other: no port comes again within minutes.
ENDLESS_PORT=16000

# see_requests <place> <count> <url>: one connection each; shown is how many each backend answered, and what else was said. Each is made from a port that
# no other has had: who comes back within a minute from the port of a connection that is over meets the same backend, as with Cilium.
see_requests() {
    show_command "$1" curl -sS "$3"
    RC=0
    OUT=$(timeout --foreground 60 ip netns exec "$LAB_ID-$1" bash -c \
        "for (( i = $FRESH_PORT; i < $FRESH_PORT + $2; i++ )); do curl -sS -m 5 --local-port \$i '$3' || { echo FAILED; break; }; done" 2>&1) || RC=$?
    FRESH_PORT=$(( FRESH_PORT + $2 ))
    show_output "$2 times; answers: $(sed -n 's/^IP: //p' <<<"$OUT" | sort -V | uniq -c | awk '{ printf "%s %d  ", $2, $1 }')"
    show_output "$(failures)"
}

# failures: the lines of $OUT that say so.
failures() { grep -E '^(FAILED|curl:)' <<<"$OUT" || true; }

# see_cmesh <node> <arguments...>: the CLI, asked about that node.
see_cmesh() {
    local node=$1; shift
    show_command "$node" cmesh "$@"
    RC=0
    OUT=$(cmesh_on "$node" "$@" 2>&1) || RC=$?
    show_output "$OUT"
}

# expect <what> <expected> <seen>: word for word.
expect() {
    if [[ $3 == "$2" ]]; then pass "$1"; else fail "$1" "$2" "$3"; fi
}

# expect_text <what> <regular expression> <expected>: somewhere in the answer, line ends counting as blanks.
expect_text() {
    local flat=${OUT//$'\n'/ }
    if [[ $flat =~ $2 ]]; then pass "$1"; else fail "$1" "$3" "${OUT:-(nothing), exit code $RC}"; fi
}

# expect_line <what> <regular expression> <expected>: one line of the answer.
expect_line() {
    if grep -qE -- "$2" <<<"$OUT"; then pass "$1"; else fail "$1" "$3" "${OUT:-(nothing), exit code $RC}"; fi
}

expect_no_line() {
    if grep -qE -- "$2" <<<"$OUT"; then fail "$1" "$3" "$OUT"; else pass "$1"; fi
}

# expect_that <what> <expected> <command...>: the command says yes.
expect_that() {
    local what=$1 expected=$2; shift 2
    if "$@" >/dev/null; then pass "$what"; else fail "$what" "$expected" "${OUT:-(nothing), exit code $RC}"; fi
}

# json <node> <jq filter> <arguments...>: from the CLI's JSON; a list may come bare or inside "items".
json() {
    local node=$1 filter=$2; shift 2
    cmesh_on "$node" "$@" -o json | jq -r "(.items? // .) | $filter"
}

# words <text>: sorted, unique, on one line; a set to compare.
words() { tr -s '[:space:]' '\n' <<<"$*" | sed '/^$/d' | sort -V -u | paste -sd' ' -; }
