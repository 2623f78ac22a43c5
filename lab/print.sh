# shellcheck shell=bash
# print.sh: everything a person reads. Colours and the moving progress line only on a terminal (https://no-color.org).

if [[ -t 1 && -z ${NO_COLOR:-} ]]; then
    BOLD=$'\e[1m' DIM=$'\e[2m' RED=$'\e[31m' GREEN=$'\e[32m' PLAIN=$'\e[0m'
else
    BOLD='' DIM='' RED='' GREEN='' PLAIN=''
fi

PASSED=0
FAILED=0
# Where we are, and the failed checks so far: "heading: sentence".
HEADING=''
FAILURES=()

say() { clear_progress; printf '%s\n' "$*"; }

complain() { clear_progress; printf '%s: %s\n' "${0##*/}" "$*" >&2; }

# Ends the program with one sentence: die <exit code> <sentence>.
die() { local code=$1; shift; complain "$@"; exit "$code"; }

# What is going on right now: one line that the next one replaces, or a plain line when piped.
progress() {
    if [[ -t 1 ]]; then printf '\r\e[K%s… %s%s' "$DIM" "$*" "$PLAIN"; else printf '… %s\n' "$*"; fi
}

clear_progress() { if [[ -t 1 ]]; then printf '\r\e[K'; fi; }

# heading <text>: a step begins.
heading() {
    HEADING=$*
    clear_progress
    printf '\n%s%s%s\n' "$BOLD" "$*" "$PLAIN"
}

# $EPOCHREALTIME without the separator is microseconds.
milliseconds() { printf '%s\n' $(( ${EPOCHREALTIME/[.,]/} / 1000 )); }

# in_seconds <milliseconds>: 1.3 s
in_seconds() { printf '%d.%d s\n' $(( $1 / 1000 )) $(( $1 / 100 % 10 )); }

# show_command <where> <command...>: as it could be typed.
show_command() {
    local where=$1; shift
    clear_progress
    local word line=''
    for word; do
        [[ $word =~ ^[A-Za-z0-9_./:=@%+,-]+$ ]] || word=${word@Q}
        line+=" $word"
    done
    printf '  %s%s $%s%s\n' "$DIM" "$where" "$PLAIN" "$line"
}

# show_output <text>: what the command answered, its first 20 lines only.
show_output() {
    local lines=20
    [[ -n $1 ]] || return 0
    head -n "$lines" <<<"$1" | sed "s/[[:blank:]]*\$//; /./s/.*/    ${DIM}&${PLAIN}/"
    local total
    total=$(wc -l <<<"$1")
    if (( total > lines )); then printf '    %s(%d more lines)%s\n' "$DIM" $(( total - lines )) "$PLAIN"; fi
}

pass() {
    PASSED=$(( PASSED + 1 ))
    clear_progress
    printf '  %sPASS%s  %s\n' "$GREEN" "$PLAIN" "$1"
}

# fail <what> <expected> <seen>
fail() {
    count_failure "$1"
    clear_progress
    printf '  %sFAIL%s  %s\n' "$RED" "$PLAIN" "$1"
    printf '        expected: %s\n' "$2"
    printf '        seen:     %s\n' "$(head -n 20 <<<"$3" | sed '2,$s/^/                  /')"
    # Only the lab has forwarders to ask.
    if declare -F show_dead_forwarders >/dev/null; then show_dead_forwarders; fi
}

# count_failure <what>: with where it was, the first words of the heading.
count_failure() {
    FAILED=$(( FAILED + 1 ))
    local where=${HEADING:+$HEADING: }
    if [[ $HEADING =~ ^(Step\ [0-9]+): ]]; then where="${BASH_REMATCH[1]}: "; fi
    FAILURES+=("$where$1")
}

show_failures() {
    clear_progress
    (( ${#FAILURES[@]} )) || return 0
    printf '\n'
    printf "  ${RED}FAIL${PLAIN}  %s\n" "${FAILURES[@]}"
}

# What failed once more, then the line that a caller parses; the exit code agrees with it.
summary() {
    show_failures
    printf '\n%d passed, %d failed\n' "$PASSED" "$FAILED"
    (( FAILED == 0 && PASSED > 0 ))
}
