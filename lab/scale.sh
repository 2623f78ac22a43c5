#!/usr/bin/env bash
# What a large mesh costs an agent: simulated clusters in real etcds, one real cmesh-agent, a stand-in for its forwarder. In a network
# namespace of its own, where there is nothing but loopback. Options are those of `benchmarks mesh`.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
for program in dotnet etcd; do
    command -v "$program" >/dev/null || { echo "lab/scale.sh: $program is not installed; run ./run-lab.sh once, or apt-get install etcd-server" >&2; exit 1; }
done
for project in src/Agent tests/Benchmarks; do
    dotnet build -c Release --nologo -v quiet "$project" >&2
done
exec unshare --net -- bash -c 'ip link set lo up && exec "$@"' scale \
    tests/Benchmarks/bin/Release/net10.0/ClusterMesh.Datapath.Benchmarks mesh src/Agent/bin/Release/net10.0/cmesh-agent "$@"
