# shellcheck shell=bash
# print.sh: everything a person reads. Colours and the moving progress line only on a terminal (https://no-color.org).

if [[ -t 1 && -z ${NO_COLOR:-} ]]; then
    BOLD=$'\e[1m' DIM=$'\e[2m' RED=$'\e[31m' GREEN=$'\e[32m' PLAIN=$'\e[0m'
else
    BOLD='' DIM='' RED='' GREEN='' PLAIN=''
fi

PASSED=0
FAILED=0

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
heading() { clear_progress; printf '\n%s%s%s\n' "$BOLD" "$*" "$PLAIN"; }

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

# show_output <text>: what the command answered, its first lines only: 20, or $SHOWN_LINES.
show_output() {
    local lines=${SHOWN_LINES:-20}
    [[ -n $1 ]] || return 0
    head -n "$lines" <<<"$1" | sed "s/^/    ${DIM}/; s/\$/${PLAIN}/"
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
    FAILED=$(( FAILED + 1 ))
    clear_progress
    printf '  %sFAIL%s  %s\n' "$RED" "$PLAIN" "$1"
    printf '        expected: %s\n' "$2"
    printf '        seen:     %s\n' "$(head -n 20 <<<"$3" | sed '2,$s/^/                  /')"
    # Only the lab has forwarders to ask.
    if declare -F show_dead_forwarders >/dev/null; then show_dead_forwarders; fi
}

# The line that a caller parses; the exit code agrees with it.
summary() {
    clear_progress
    printf '\n%d passed, %d failed\n' "$PASSED" "$FAILED"
    (( FAILED == 0 && PASSED > 0 ))
}
