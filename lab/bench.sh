# shellcheck shell=bash
# bench.sh: ./run-lab.sh bench. Measures this datapath, the kernel and a null forwarder on the same topology, in turns, and reports.
# What is measured on what stands in bench/plan.json; how, in bench-measures.sh; the worlds, in bench-worlds.sh and bench-kernel.sh.

BENCH_COMMANDS=(nft:nftables /usr/include/liburing.h:liburing-dev)
REPORT=$ROOT/tests/Benchmarks/bin/Release/net10.0/ClusterMesh.Datapath.Benchmarks

bench_help() {
    cat <<'END'
./run-lab.sh bench [OPTION...]     this datapath, the kernel and a null forwarder, measured in turns (docs/benchmarks.md)

  --repeats N            how often each is measured, 1 to 100 (5)
  --seconds S            how long a measurement takes, 1 to 60 (3)
  --flows N              idle flows of the worlds that have them, up to 4000000 (1000000)
  --variants A,B         only these worlds
  --only A,B             only these measures
  --patience S           before each measurement wait so long at most for the machine to be at rest, up to 600 (0)
  --out DIR              where table, JSON and chart go (tests/results/bench)
  --short                a smoke test of two minutes: 1 repeat of 1 s, 100,000 flows, fewer worlds and measures
  --help                 this

END
    jq -r '"worlds:   \([.worlds[].name] | join(" "))\nmeasures: \([.measures[].name] | join(" "))"' "$PLAN"
}

command_bench() {
    BENCH_COMMAND="./run-lab.sh bench${*:+ $*}"
    install_missing jq:jq
    read_bench_options "$@"
    choose_world "${CMESH_LAB_ID:-$(random_id)}"
    trap leave EXIT
    trap_signals
    SUMMARY_DUE=1
    install_missing "${LAB_COMMANDS[@]}" "${BUILD_COMMANDS[@]}" "${BENCH_COMMANDS[@]}"
    build_programs
    build_bench
    local began
    began=$(milliseconds)
    bench_worlds_up
    say "• ${#WORLDS[@]} worlds '$LAB_ID' are up: $(in_seconds $(( $(milliseconds) - began )))"
    mkdir -p "$OUT_DIR"
    : >"$OUT_DIR/raw.jsonl"
    write_bench_header
    began=$(milliseconds)
    measure_all
    say "• measured: $(in_seconds $(( $(milliseconds) - began )))"
    clean_up
    say ""
    "$REPORT" report "$PLAN" "$OUT_DIR" || fail "the report" "exit code 0" "exit code $?"
    conclude
}

# read_bench_options <arguments...>
read_bench_options() {
    local only='' variants='' option
    SHORT=false
    REPEATS=5 SECONDS_EACH=3 FLOWS=1000000 PATIENCE=0 OUT_DIR=$ROOT/tests/results/bench
    # Before the others, which overrule it.
    if [[ " $* " == *' --short '* ]]; then SHORT=true REPEATS=1 SECONDS_EACH=1 FLOWS=100000; fi
    while (( $# )); do
        option=$1; shift
        case $option in
            --short) continue ;;
            --help | -h) bench_help; exit 0 ;;
            --repeats | --seconds | --flows | --patience | --variants | --only | --out) (( $# )) || die 2 "$option needs a value" ;;
            *) die 2 "bench does not know '$option'; ./run-lab.sh bench --help lists what it does" ;;
        esac
        case $option in
            --repeats) REPEATS=$(bench_number "$option" "$1" 100) ;;
            --seconds) SECONDS_EACH=$(bench_number "$option" "$1" 60) ;;
            --flows) FLOWS=$(bench_number "$option" "$1" 4000000) ;;
            --patience) PATIENCE=$(bench_number "$option" "$1" 600) ;;
            --variants) variants=$1 ;;
            --only) only=$1 ;;
            --out) OUT_DIR=$(realpath -m "$1") ;;
        esac
        shift
    done
    read_plan "$SHORT" "$variants" "$only"
}

# bench_number <option> <text> <most>
bench_number() {
    [[ $2 =~ ^[1-9][0-9]{0,8}$ ]] && (( $2 <= $3 )) || die 2 "$1 takes a number from 1 to $3, not '$2'"
    printf '%s\n' "$2"
}

build_bench() {
    local log code=0
    log=$(mktemp)
    with_clock "building what measures" "$log" build_measurers || code=$?
    (( code == 0 )) || tail -n 40 "$log" >&2
    rm -f "$log"
    (( code == 0 )) || die 1 "the build failed"
}

build_measurers() {
    local native=$ROOT/native
    mkdir -p "$native/build"
    gcc -O2 -Wall -Wextra -Werror -o "$native/build/nullfwd" "$native/nullfwd.c" -luring &&
        build_netload &&
        dotnet build "$ROOT/tests/Benchmarks" -c Release --nologo -v quiet </dev/null
}

# write_bench_header: what was measured where. A machine that is busy at rest has no figures to rely on.
write_bench_header() {
    local busy
    progress "the machine at rest"
    busy=$(busy_percent 2)
    jq -n --arg date "$(date -u '+%Y-%m-%d %H:%M UTC')" --arg command "$BENCH_COMMAND" --arg kernel "$(uname -sr)" \
        --arg processor "$(sed -n 's/^model name[[:blank:]]*: //p' /proc/cpuinfo | head -n 1)" --argjson processors "$(nproc)" \
        --arg memory "$(awk '/^MemTotal:/ { printf "%.0f GiB", $2 / 1048576 }' /proc/meminfo)" --arg sdk "$(cd "$ROOT" && dotnet --version)" \
        --arg commit "$(git -C "$ROOT" describe --always --dirty 2>/dev/null || printf 'unknown')" \
        --argjson repeats "$REPEATS" --argjson seconds "$SECONDS_EACH" --argjson flows "$FLOWS" \
        --argjson busyPercentAtRest "$busy" '$ARGS.named + {notes: $ARGS.positional}' \
        --args "${NOTES[@]}" >"$OUT_DIR/header.json"
    say "• at rest $busy % of the machine is busy"
}

# busy_percent <seconds>: of all processors, with everything that anybody does.
busy_percent() {
    local before
    before=$(processor_milliseconds)
    sleep "$1"
    awk -v spent="$(( $(processor_milliseconds) - before ))" -v seconds="$1" -v processors="$(nproc)" \
        'BEGIN { printf "%.0f\n", spent / (seconds * processors * 10) }'
}

# wait_for_rest: others' work beside ours is in every figure; who shares the machine can wait for a gap.
wait_for_rest() { (( PATIENCE == 0 )) || wait_for "$PATIENCE" machine_rests || true; }

machine_rests() { (( $(busy_percent 0.3) < 10 )); }

# measure_all: in turns, so that a machine that is slower for a while is so for all of them.
measure_all() {
    local repeat measure world
    for (( repeat = 1; repeat <= REPEATS; repeat++ )); do
        for measure in "${MEASURES[@]}"; do
            for world in "${WORLDS[@]}"; do
                is_measured "$measure" "$world" "$repeat" || continue
                progress "repeat $repeat of $REPEATS: $measure, $world"
                wait_for_rest
                take "$repeat" "$measure" "$world"
            done
        done
    done
    clear_progress
}

# is_measured <measure> <world> <repeat>: worlds of many services or flows have some of the measures; a world may have some of them only; a kind may
# be left out, or done once in a run that is not short.
is_measured() {
    [[ ${SIZE_OF[$2]} == "$2" || ${SIZES[$1]} == true ]] || return 1
    [[ " ${NOT[$1]} " != *" ${KIND[$2]} "* ]] || return 1
    [[ -z ${ONLY[$2]} || " ${ONLY[$2]} " == *" $1 "* ]] || return 1
    [[ " ${ONCE[$1]} " != *" ${KIND[$2]} "* ]] || [[ $3 == 1 && $SHORT == false ]]
}

# take <repeat> <measure> <world>: one measurement, one line of the raw results; one that fails is counted and told, and the rest goes on.
take() {
    local run figures='{}' error=''
    read -ra run <<<"${RUN[$2]}"
    if "measure_${run[0]}" "$3" "${run[@]:1}"; then
        PASSED=$(( PASSED + 1 ))
        figures=$OUT
    else
        error=${OUT:-no word of why}
        fail "$2, $3, repeat $1" "a figure" "$error"
    fi
    jq -cn --argjson repeat "$1" --arg measure "$2" --arg world "$3" --arg error "$error" --argjson figures "$figures" \
        '{repeat: $repeat, measure: $measure, world: $world, figures: $figures} + if $error == "" then {} else {error: $error} end' >>"$OUT_DIR/raw.jsonl"
}
