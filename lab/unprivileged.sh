# shellcheck shell=bash
# unprivileged.sh: the lab as an ordinary user, in a user namespace of its own (user_namespaces(7)): root there and nobody outside. Needs print.sh.
#
# The script is started over in new user, network and mount namespaces. /run is empty there and /etc a copy, so that ip-netns(8) finds what it
# needs; nothing of it is seen outside, and all of it goes with the script. A world that stays (up, then exec) stays as long as `./run-lab.sh shell`.

# entering, then inside; empty for root.
UNPRIVILEGED=${CMESH_UNPRIVILEGED:-}

STAY_ROOT=/run/own/stay-root.so

# enter_own_namespaces <arguments of the script...>: returns for root, and inside. Who has come into a user namespace by himself (unshare -Urn) is no root.
enter_own_namespaces() {
    if [[ $UNPRIVILEGED == entering ]]; then
        make_own_places
        return
    fi
    (( EUID != 0 )) || is_root_alone || return 0
    command -v unshare >/dev/null || die 2 "the lab needs root, or the command unshare for namespaces of its own (Debian: util-linux)"
    unshare --user --map-root-user --net --mount true 2>/dev/null ||
        die 2 "the lab needs root: this kernel gives ordinary users no namespaces of their own (see user.max_user_namespaces and kernel.unprivileged_userns_clone)"
    # Inside there is no network to fetch packages from.
    prepare
    CMESH_UNPRIVILEGED=entering exec unshare --user --map-root-user --net --mount "$ROOT/run-lab.sh" "$@"
}

# is_root_alone: root of a user namespace with one user, who outside is anybody.
is_root_alone() {
    local count
    read -r _ _ count </proc/self/uid_map
    (( count == 1 ))
}

make_own_places() {
    export CMESH_UNPRIVILEGED=inside
    UNPRIVILEGED=inside
    mount -t tmpfs -o mode=755 tmpfs /run || die 1 "no /run of our own could be mounted"
    mkdir -p /run/netns /run/own/etc
    # What only root may read is not needed.
    cp -dR /etc/. /run/own/etc 2>/dev/null || true
    mount --bind /run/own/etc /etc || die 1 "no /etc of our own could be mounted"
    gcc -O2 -Wall -Wextra -Werror -shared -fPIC -o "$STAY_ROOT" "$ROOT/native/stay-root.c" || die 1 "native/stay-root.c could not be compiled"
    ip link set lo up
}

# is_unprivileged: root here, and nobody outside.
is_unprivileged() { [[ -n $UNPRIVILEGED ]]; }

# as_own_user <program>: how it is started, since root of one user cannot give up its groups as root's programs want to.
as_own_user() {
    case $1 in
        dnsmasq) if is_unprivileged; then printf 'dnsmasq --no-daemon\n'; else printf 'dnsmasq\n'; fi ;;
        tcpdump) if is_unprivileged; then printf 'env LD_PRELOAD=%s tcpdump -Zroot\n' "$STAY_ROOT"; else printf 'tcpdump\n'; fi ;;
    esac
}

command_shell() {
    (( $# == 0 )) || die 2 "'shell' takes no arguments"
    is_unprivileged || die 2 "'shell' is for ordinary users; root's worlds stay by themselves"
    say "A shell in which ./run-lab.sh up, exec and the others work. It ends with 'exit', and all that it started with it."
    exec "${SHELL:-/bin/bash}"
}
