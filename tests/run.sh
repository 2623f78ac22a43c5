#!/usr/bin/env bash
# tests/run.sh: builds the solution and runs every test. Ends with `N passed, N failed`, taken from the test run's own summary.
set -euo pipefail

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
# shellcheck source=lab/print.sh
source "$ROOT/lab/print.sh"
# shellcheck source=lab/packages.sh
source "$ROOT/lab/packages.sh"
# shellcheck source=lab/build.sh
source "$ROOT/lab/build.sh"

LOG=$(mktemp)
trap 'rm -f "$LOG"' EXIT

main() {
    (( $# == 0 )) || die 2 "tests/run.sh takes no arguments"
    local solution=$ROOT/ClusterMesh.Datapath.sln code=0
    install_missing ip:iproute2 ping:iputils-ping tcpdump:tcpdump ethtool:ethtool jq:jq flock:util-linux \
        etcd:etcd-server etcdctl:etcd-client chromium:chromium chromedriver:chromium-driver
    need_dotnet
    with_clock "building the solution" "$LOG" dotnet build "$solution" -c Release --nologo -v quiet || {
        tail -n 40 "$LOG" >&2
        finish 0 1
    }
    cd "$ROOT"
    dotnet test --solution "$solution" -c Release --no-build 2>&1 | tee "$LOG" || code=$?
    report "$code"
}

# report <exit code of dotnet test>: a module that broke down is a failure, and so is a run that says neither.
report() {
    local passed failed errors
    passed=$(count succeeded)
    failed=$(count failed)
    errors=$(count error)
    failed=$(( failed + errors ))
    if (( $1 != 0 && failed == 0 )); then
        complain "dotnet test ended with exit code $1 without a failed test"
        failed=1
    fi
    if (( passed + failed == 0 )); then complain "no test ran"; fi
    finish "$passed" "$failed"
}

# count <name>: from the summary at the end; a line that is absent means none.
count() {
    sed -n '/^Test run summary:/,$p' "$LOG" | awk -v name="$1:" '$1 == name { sum += $2 } END { print sum + 0 }'
}

finish() {
    PASSED=$1 FAILED=$2
    summary || exit 1
    exit 0
}

main "$@"
