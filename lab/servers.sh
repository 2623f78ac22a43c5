# shellcheck shell=bash
# servers.sh: what answers in pods and outside. Addresses come later with the TAPs: all of them listen on any address.

# start_servers: in a world with agents the kubelets start those of the pods.
start_servers() {
    local cluster number
    start_web outside outside
    ! is_meshed || return 0
    for cluster in west east; do
        for number in 1 2; do start_web "$cluster-webpod-$number" "webpod-$cluster-$number"; done
        start_dns "$cluster"
    done
}

# Bytes of a web server's /long: 3 s at the rate of webpod.conf.
LONG_LENGTH=$(( 192 * 1024 ))

# listens <place> <TCP port>
listens() { [[ -n $(at "$1" ss -Hltn "sport = :$2") ]]; }

# start_web <place> <host name in the answer>
start_web() {
    local dir=$STATE/servers/$1
    mkdir -p "$dir/tmp"
    head -c "$LONG_LENGTH" /dev/zero >"$dir/long"
    sed "s|@NAME@|$2|; s|@DIR@|$dir|" "$ROOT/lab/servers/webpod.conf" >"$dir/nginx.conf"
    has_ipv6 || sed -i '/listen \[::\]/d' "$dir/nginx.conf"
    start "$1-nginx" "$1" nginx -p "$dir" -e "$dir/error.log" -c "$dir/nginx.conf"
}

start_dns() {
    local dir=$STATE/servers/$1-coredns
    mkdir -p "$dir"
    sed "s|@VIP@|$(of_all_families VIP "$1" ,)|; s|@DIR@|$dir|" "$ROOT/lab/servers/dns.conf" >"$dir/dnsmasq.conf"
    # shellcheck disable=SC2046 # words
    start "$1-coredns-dnsmasq" "$1-coredns" $(as_own_user dnsmasq) --conf-file="$dir/dnsmasq.conf"
}

# requests_of <place>: how many this server has answered.
requests_of() { wc -l <"$STATE/servers/$1/access.log"; }
