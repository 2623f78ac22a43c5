# shellcheck shell=bash
# build.sh: the three programs, in bin. Needs print.sh and $ROOT.

# Compiler servers would outlive the script.
export MSBUILDDISABLENODEREUSE=1 DOTNET_CLI_USE_MSBUILD_SERVER=0 UseSharedCompilation=false
export DOTNET_NOLOGO=1 DOTNET_CLI_TELEMETRY_OPTOUT=1 DOTNET_SKIP_FIRST_TIME_EXPERIENCE=1

FORWARDER=$ROOT/bin/cmesh-forwarder
AGENT=$ROOT/bin/cmesh-agent
CMESH=$ROOT/bin/cmesh
BUILD_STAMP=$ROOT/bin/.built

# What links native code and builds the tools of native.
BUILD_COMMANDS=(gcc:gcc /usr/include/stdio.h:libc6-dev)

need_dotnet() {
    command -v dotnet >/dev/null || die 2 "the .NET 10 SDK is missing: see https://dotnet.microsoft.com/download/dotnet/10.0"
    (cd "$ROOT" && dotnet --version) >/dev/null 2>&1 ||
        die 2 "no .NET SDK fits global.json ($(jq -r .sdk.version "$ROOT/global.json")): see https://dotnet.microsoft.com/download/dotnet/10.0"
}

# build_programs: one at a time in a tree, also when two runs start together.
build_programs() {
    local log code=0
    exec 7<"$ROOT/lab/build.sh"
    flock 7
    if ! programs_are_fresh; then
        need_dotnet
        log=$(mktemp)
        with_clock "building" "$log" build_each || code=$?
        (( code == 0 )) || tail -n 40 "$log" >&2
        rm -f "$log"
    fi
    exec 7<&-
    (( code == 0 )) || die 1 "the build failed"
}

build_each() {
    local project
    mkdir -p "${BUILD_STAMP%/*}"
    touch "$BUILD_STAMP.new"
    # The forwarder last, whose libraries lie beside it: a program that has become native takes away those that it had brought.
    for project in Agent Cli Forwarder; do
        dotnet publish "$ROOT/src/$project" -c Release -r "$(runtime)" -o "$ROOT/bin" --nologo -v quiet </dev/null 7<&- || return
    done
    mv "$BUILD_STAMP.new" "$BUILD_STAMP"
}

# What .NET calls this machine.
runtime() {
    case $(uname -m) in
        x86_64) echo linux-x64 ;;
        aarch64) echo linux-arm64 ;;
        *) uname -m ;;
    esac
}

# Fresh: all programs there and no source newer than the last build's beginning.
programs_are_fresh() {
    [[ -x $FORWARDER && -x $AGENT && -x $CMESH && -e $BUILD_STAMP ]] || return 1
    [[ -z $(find "$ROOT/src" "$ROOT"/*.props "$ROOT/global.json" \( -name bin -o -name obj \) -prune -o -type f -newer "$BUILD_STAMP" -print -quit) ]]
}

# with_clock <what> <log> <command...>: in the foreground, so that Ctrl-C reaches it; on a terminal the seconds are counted beside it.
with_clock() {
    local what=$1 log=$2 began ticker='' code=0; shift 2
    began=$(milliseconds)
    progress "$what"
    if [[ -t 1 ]]; then
        while sleep 1 && kill -0 $$ 2>/dev/null; do progress "$what, $(in_seconds $(( $(milliseconds) - began )))"; done &
        ticker=$!
    fi
    "$@" >"$log" 2>&1 || code=$?
    if [[ -n $ticker ]]; then kill "$ticker" 2>/dev/null || true; wait "$ticker" 2>/dev/null || true; fi
    say "• $what: $(in_seconds $(( $(milliseconds) - began )))"
    return "$code"
}
