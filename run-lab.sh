#!/usr/bin/env bash
# run-lab.sh: the walk-through on this machine, in network namespaces of its own. ./run-lab.sh help says the rest.
set -euo pipefail

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=lab/print.sh
source "$ROOT/lab/print.sh"
# shellcheck source=lab/packages.sh
source "$ROOT/lab/packages.sh"
# shellcheck source=lab/build.sh
source "$ROOT/lab/build.sh"
# shellcheck source=lab/unprivileged.sh
source "$ROOT/lab/unprivileged.sh"
# shellcheck source=lab/process.sh
source "$ROOT/lab/process.sh"
# shellcheck source=lab/family.sh
source "$ROOT/lab/family.sh"
# shellcheck source=lab/world.sh
source "$ROOT/lab/world.sh"
# shellcheck source=lab/servers.sh
source "$ROOT/lab/servers.sh"
# shellcheck source=lab/nodes.sh
source "$ROOT/lab/nodes.sh"
# shellcheck source=lab/mesh.sh
source "$ROOT/lab/mesh.sh"
# shellcheck source=lab/checks.sh
source "$ROOT/lab/checks.sh"
# shellcheck source=lab/steps.sh
source "$ROOT/lab/steps.sh"
# shellcheck source=lab/steps-mesh.sh
source "$ROOT/lab/steps-mesh.sh"
# shellcheck source=lab/steps-traffic.sh
source "$ROOT/lab/steps-traffic.sh"
# shellcheck source=lab/steps-observe.sh
source "$ROOT/lab/steps-observe.sh"
# shellcheck source=lab/faults.sh
source "$ROOT/lab/faults.sh"
# shellcheck source=lab/propagation.sh
source "$ROOT/lab/propagation.sh"
# shellcheck source=lab/floods.sh
source "$ROOT/lab/floods.sh"
# shellcheck source=lab/acceptance.sh
source "$ROOT/lab/acceptance.sh"
# shellcheck source=lab/services.sh
source "$ROOT/lab/services.sh"
# shellcheck source=lab/bench-worlds.sh
source "$ROOT/lab/bench-worlds.sh"
# shellcheck source=lab/bench-kernel.sh
source "$ROOT/lab/bench-kernel.sh"
# shellcheck source=lab/bench-measures.sh
source "$ROOT/lab/bench-measures.sh"
# shellcheck source=lab/bench.sh
source "$ROOT/lab/bench.sh"
# shellcheck source=lab/workers.sh
source "$ROOT/lab/workers.sh"
# shellcheck source=lab/offloads.sh
source "$ROOT/lab/offloads.sh"
# shellcheck source=lab/paths.sh
source "$ROOT/lab/paths.sh"
# shellcheck source=lab/overload.sh
source "$ROOT/lab/overload.sh"
# shellcheck source=lab/cases.sh
source "$ROOT/lab/cases.sh"
# shellcheck source=lab/steady.sh
source "$ROOT/lab/steady.sh"
# shellcheck source=lab/wire.sh
source "$ROOT/lab/wire.sh"
# shellcheck source=lab/chaos.sh
source "$ROOT/lab/chaos.sh"
# shellcheck source=lab/chaos-network.sh
source "$ROOT/lab/chaos-network.sh"
# shellcheck source=lab/chaos-machine.sh
source "$ROOT/lab/chaos-machine.sh"
# shellcheck source=lab/chaos-lab.sh
source "$ROOT/lab/chaos-lab.sh"
# shellcheck source=lab/abuse.sh
source "$ROOT/lab/abuse.sh"
# shellcheck source=lab/soak.sh
source "$ROOT/lab/soak.sh"
# shellcheck source=lab/commands.sh
source "$ROOT/lab/commands.sh"

main "$@"
