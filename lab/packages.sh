# shellcheck shell=bash
# packages.sh: installs what is missing, and starts no service by that. Needs print.sh.

POLICY=/usr/sbin/policy-rc.d

# Commands and the Debian packages that bring them.
LAB_COMMANDS=(ip:iproute2 ping:iputils-ping curl:curl tcpdump:tcpdump nginx:nginx-light dnsmasq:dnsmasq-base jq:jq
    iperf3:iperf3 ab:apache2-utils wrk:wrk ps:procps flock:util-linux
    traceroute:traceroute tracepath:iputils-tracepath etcd:etcd-server etcdctl:etcd-client)

need_root() { (( EUID == 0 )) || die 2 "$1 makes network namespaces and needs root: run it with sudo"; }

# install_missing <command:package...>: asks apt only for packages whose command, or file by its path, is not there.
install_missing() {
    local pair
    local -a packages=()
    for pair; do
        [[ $pair == /* && -e ${pair%%:*} ]] || command -v "${pair%%:*}" >/dev/null || packages+=("${pair#*:}")
    done
    has_libpcap || packages+=(libpcap0.8)
    (( ${#packages[@]} )) || return 0
    (( EUID == 0 )) || die 2 "these packages are missing and only root can install them: ${packages[*]}"
    command -v apt-get >/dev/null || die 2 "these packages are missing and there is no apt-get: ${packages[*]}"
    progress "installing ${packages[*]}"
    install_quietly "${packages[@]}" || die 1 "could not install ${packages[*]}"
}

has_libpcap() { [[ $(ldconfig -p) == *libpcap.so.0.8* ]]; }

install_quietly() (
    log=$(mktemp)
    exec 8<"${BASH_SOURCE[0]}"
    flock 8
    deny_service_starts
    trap 'allow_service_starts; rm -f "$log"' EXIT
    export DEBIAN_FRONTEND=noninteractive
    options=(-qq -o DPkg::Lock::Timeout=120)
    { apt-get "${options[@]}" update && apt-get "${options[@]}" install --yes --no-install-recommends "$@"; } >"$log" 2>&1 8<&- || {
        tail -n 30 "$log" >&2
        exit 1
    }
    # What is enabled by its package would start with the next boot.
    if command -v systemctl >/dev/null; then
        if [[ " $* " == *' nginx-light '* ]]; then systemctl --quiet disable nginx >/dev/null 2>&1 || true; fi
        if [[ " $* " == *' etcd-server '* ]]; then systemctl --quiet disable etcd >/dev/null 2>&1 || true; fi
    fi
)

# invoke-rc.d and deb-systemd-invoke ask this program; 101 means: forbidden. A policy that is there already is kept aside.
deny_service_starts() {
    if [[ -e $POLICY ]] && ! grep -q 'cmesh lab' "$POLICY"; then
        mv "$POLICY" "$POLICY.before-cmesh-lab"
    fi
    printf '#!/bin/sh\n# cmesh lab: only while its packages are installed\nexit 101\n' >"$POLICY"
    chmod 755 "$POLICY"
}

allow_service_starts() {
    rm -f "$POLICY"
    if [[ -e $POLICY.before-cmesh-lab ]]; then mv "$POLICY.before-cmesh-lab" "$POLICY"; fi
}
