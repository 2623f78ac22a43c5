#!/usr/bin/env bash
# tests/fuzz.sh: coverage-guided fuzzing of everything that reads what others send. One line a target, ends with `N passed, N failed`. docs/fuzzing.md.
set -euo pipefail

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
# shellcheck source=lab/print.sh
source "$ROOT/lab/print.sh"
# shellcheck source=lab/packages.sh
source "$ROOT/lab/packages.sh"
# shellcheck source=lab/build.sh
source "$ROOT/lab/build.sh"

USAGE='usage: tests/fuzz.sh [--minutes N] [--target T]... [--jobs N] [--keep]   in all N minutes (10), shared by the targets
       tests/fuzz.sh --short                                              every target for 5 s
       tests/fuzz.sh --mutate [N]                                         N malformed texts and N records (100000), without coverage'

PROGRAM=$ROOT/tests/Fuzz/bin/Release/net10.0/ClusterMesh.Datapath.Fuzz
SHORT_SECONDS=5
# An input for which the program is started anew, too. What takes more than a second of the processor the program itself calls a find.
HANG_MILLISECONDS=20000

SECONDS_IN_ALL=600 JOBS=1 SECONDS_EACH='' MUTATIONS='' KEEPS=''
TARGETS=()
WORK=''
SHARED=''

# AFL++ wants core dumps and processor clocks set by the machine's owner, who is not asked: a managed program's crash is seen without.
export AFL_I_DONT_CARE_ABOUT_MISSING_CRASHES=1 AFL_SKIP_CPUFREQ=1 AFL_SKIP_BIN_CHECK=1 AFL_NO_AFFINITY=1 AFL_NO_UI=1 AFL_QUIET=1
# Tables are made anew for every input: large objects among the young ones cost fewer collections.
export DOTNET_TieredPGO=0 DOTNET_GCgen0size=0x4000000 DOTNET_GCLOHThreshold=0x1000000

main() {
    read_options "$@"
    cd "$ROOT"
    if [[ -z $MUTATIONS ]]; then install_missing afl-fuzz:afl++ unshare:util-linux; fi
    need_dotnet
    build
    if [[ -n $MUTATIONS ]]; then exec "$PROGRAM" mutate "$MUTATIONS"; fi
    trap clean_up EXIT
    trap 'exit 130' INT TERM
    WORK=$(mktemp -d)
    SHARED=$(mktemp -d /dev/shm/cmesh-fuzz.XXXXXX)
    known_targets
    local target
    for target in "${TARGETS[@]}"; do prepare "$target"; done
    run_all
    summary
}

read_options() {
    while (( $# )); do
        case $1 in
            --minutes) is_number "${2:-}" || die 2 "--minutes wants a number"; SECONDS_IN_ALL=$(( $2 * 60 )); shift 2 ;;
            --jobs) is_number "${2:-}" || die 2 "--jobs wants a number"; JOBS=$2; shift 2 ;;
            --target) [[ -n ${2:-} ]] || die 2 "--target wants a name"; TARGETS+=("$2"); shift 2 ;;
            --short) SECONDS_EACH=$SHORT_SECONDS; shift ;;
            --keep) KEEPS=yes; shift ;;
            --mutate) MUTATIONS=100000; shift; if is_number "${1:-}"; then MUTATIONS=$1; shift; fi ;;
            --help) say "$USAGE"; exit 0 ;;
            *) complain "unknown option '$1'"; printf '%s\n' "$USAGE" >&2; exit 2 ;;
        esac
    done
}

is_number() { [[ $1 =~ ^[1-9][0-9]{0,5}$ ]]; }

build() {
    local log
    log=$(mktemp)
    with_clock "building the targets" "$log" dotnet build tests/Fuzz -c Release --nologo -v quiet || { tail -n 40 "$log" >&2; rm -f "$log"; die 1 "the build failed"; }
    rm -f "$log"
    [[ -n $MUTATIONS ]] || dotnet tool restore >/dev/null || die 1 "could not restore the tool sharpfuzz (.config/dotnet-tools.json)"
}

# Those that were named, or all; an unknown one ends the run.
known_targets() {
    local -a all=()
    local target
    mapfile -t all < <("$PROGRAM" targets | cut -d ' ' -f 1)
    for target in "${TARGETS[@]}"; do
        [[ " ${all[*]} " == *" $target "* ]] || die 2 "there is no target '$target'; there are ${all[*]}"
    done
    (( ${#TARGETS[@]} )) || TARGETS=("${all[@]}")
    [[ -n $SECONDS_EACH ]] || SECONDS_EACH=$(( SECONDS_IN_ALL / ${#TARGETS[@]} ))
    (( SECONDS_EACH > 0 )) || die 2 "${#TARGETS[@]} targets want more than $SECONDS_IN_ALL s"
}

# prepare <target>: a copy of the program with instrumented assemblies, and the inputs to begin with. The built assemblies stay as they are.
prepare() {
    local target=$1 assembly
    local -a assemblies=()
    mkdir -p "$WORK/$target/inputs" "$SHARED/$target"
    cp -r "${PROGRAM%/*}" "$WORK/$target/program"
    read -r -a assemblies <<<"$("$PROGRAM" targets | sed -n "s/^$target //p")"
    for assembly in "${assemblies[@]}"; do
        dotnet tool run sharpfuzz "$WORK/$target/program/$assembly" >"$WORK/$target/instrument" 2>&1 || { cat "$WORK/$target/instrument" >&2; die 1 "could not instrument $assembly"; }
    done
    find "$ROOT/tests/Fuzz/corpus/$target" "$ROOT/tests/Fuzz/regressions/$target" -type f -exec cp -t "$WORK/$target/inputs" {} + 2>/dev/null || true
    case $target in
        control | records | yaml)
            # What people and programs write is made of words; put in whole, they get past the check of names.
            grep -aohE '[A-Za-z][A-Za-z0-9]{2,24}' -r "$WORK/$target/inputs" | sort | uniq -c | sort -rn | awk 'NR <= 400 { printf "\"%s\"\n", $2 }' >"$WORK/$target/words" ;;
    esac
}

# So many at a time, each one process.
run_all() {
    heading "Fuzzing ${#TARGETS[@]} targets, $SECONDS_EACH s each, $JOBS at a time"
    local target at
    for (( at = 0; at < ${#TARGETS[@]}; at += JOBS )); do
        for target in "${TARGETS[@]:at:JOBS}"; do fuzz "$target" & done
        wait
        for target in "${TARGETS[@]:at:JOBS}"; do judge "$target"; done
    done
}

# In a network namespace of its own: whatever an input asks for, no interface of the machine is there.
fuzz() {
    local target=$1
    local -a alone=() words=()
    if [[ -s $WORK/$target/words ]]; then words=(-x "$WORK/$target/words"); fi
    if (( EUID == 0 )); then alone=(unshare --net); fi
    CMESH_FUZZ_DIRECTORY=$SHARED/$target timeout --kill-after 10 $(( SECONDS_EACH + 60 )) nice -n 19 "${alone[@]}" \
        afl-fuzz -i "$WORK/$target/inputs" -o "$WORK/$target/out" -t "$HANG_MILLISECONDS" -m none -V "$SECONDS_EACH" \
        "${words[@]}" -- "$WORK/$target/program/${PROGRAM##*/}" run "$target" "$WORK/$target/inputs" >"$WORK/$target/log" 2>&1 </dev/null || true
}

# judge <target>: one line of figures; finds are copied to tests/Fuzz/finds, where they are not committed.
judge() {
    local target=$1 stats=$WORK/$1/out/default/fuzzer_stats crashes hangs line finds=$ROOT/tests/Fuzz/finds/$1
    if [[ ! -f $stats ]] || (( $(stat_of execs_done) == 0 )); then
        fail "$target" "a run of AFL++" "$(sed 's/\x1b\[[0-9;?]*[a-zA-Z]//g' "$WORK/$target/log" | grep -v '^$' | tail -n 12)"
        return
    fi
    crashes=$(stat_of saved_crashes) hangs=$(stat_of saved_hangs)
    line=$(printf '%-9s %9d executions, %5d paths (%d new), %s of the map, %d crashes, %d hangs' \
        "$target" "$(stat_of execs_done)" "$(stat_of corpus_count)" "$(stat_of corpus_found)" "$(stat_of bitmap_cvg)" "$crashes" "$hangs")
    if [[ -n $KEEPS ]]; then keep_paths "$target"; fi
    if (( crashes + hangs == 0 )); then
        pass "$line"
        return
    fi
    mkdir -p "$finds"
    find "$WORK/$target/out/default/crashes" "$WORK/$target/out/default/hangs" -name 'id*' -exec sh -c 'for f; do cp "$f" "$0/$(sha256sum "$f" | cut -c 1-16)"; done' "$finds" {} +
    fail "$line" "no find" "$("$PROGRAM" replay "$target" "$finds" 2>&1 | cut -c 1-300 | head -n 12)"$'\n'"the inputs are in tests/Fuzz/finds/$target; tests/Fuzz/bin/Release/net10.0/ClusterMesh.Datapath.Fuzz replay $target FILE says more"
}

stat_of() { sed -n "s/^$1 *: //p" "$stats"; }

# keep_paths <target>: what covers something new, minimised, into the corpus of the tree.
keep_paths() {
    local target=$1
    AFL_ALLOW_TMP=1 CMESH_FUZZ_DIRECTORY=$SHARED/$target nice -n 19 afl-cmin -i "$WORK/$target/out/default/queue" -o "$WORK/$target/least" -t "$HANG_MILLISECONDS" -m none \
        -- "$WORK/$target/program/${PROGRAM##*/}" run "$target" "$WORK/$target/inputs" >"$WORK/$target/cmin" 2>&1 </dev/null || { complain "$target: afl-cmin failed: $(tail -n 3 "$WORK/$target/cmin")"; return 0; }
    find "$WORK/$target/least" -type f -exec sh -c 'for f; do cp "$f" "$0/$(sha256sum "$f" | cut -c 1-16)"; done' "$ROOT/tests/Fuzz/corpus/$target" {} +
}

clean_up() {
    local job
    for job in $(jobs -p); do kill "$job" 2>/dev/null || true; done
    wait 2>/dev/null || true
    rm -rf "$WORK" "$SHARED"
}

main "$@"
