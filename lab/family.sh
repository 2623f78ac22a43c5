# shellcheck shell=bash
# family.sh: which address families a world has: ipv4, dual or ipv6. Its files have both; what a world does not have is left out. Checks are
# written once, in words of ADDRESS, VIP and so on: `each_family` makes them once for each family, which those are then of.

FAMILY=ipv4
# 4, 6, or both; the first is the one that nodes, agents and clusters are known by.
FAMILIES=(4)
# The one that checks are about right now, and how their sentences end where there are two: ", IPv6".
IP=4
OVER=''

declare -A ADDRESS=() VIP=() DNS=() MESH_VIP=() POD_CIDR=() POD_CIDRS_LIKE=() CLUSTER_CIDR=() WEBPODS_OF=()
# Those that all checks of one family speak of, by name and family.
FAMILY_TABLES=(ADDRESS VIP DNS MESH_VIP POD_CIDR POD_CIDRS_LIKE CLUSTER_CIDR)

declare -A ADDRESS_4=(
    [net]=172.18.0.1 [outside]=172.18.0.100
    [west-control-plane]=172.18.0.4 [west-worker]=172.18.0.5 [east-control-plane]=172.18.0.3 [east-worker]=172.18.0.2
    [west-curl-pod]=10.0.1.105 [west-webpod-1]=10.0.1.14 [west-webpod-2]=10.0.1.162 [west-coredns]=10.0.0.53 [west-clustermesh-apiserver]=10.0.1.234
    [east-curl-pod]=10.1.1.153 [east-webpod-1]=10.1.1.2 [east-webpod-2]=10.1.1.221 [east-coredns]=10.1.0.53 [east-clustermesh-apiserver]=10.1.1.44
)
declare -A ADDRESS_6=(
    [net]=fd00:172:18::1 [outside]=fd00:172:18::100
    [west-control-plane]=fd00:172:18::4 [west-worker]=fd00:172:18::5 [east-control-plane]=fd00:172:18::3 [east-worker]=fd00:172:18::2
    [west-curl-pod]=fd00:10:0:1::105 [west-webpod-1]=fd00:10:0:1::14 [west-webpod-2]=fd00:10:0:1::162
    [west-coredns]=fd00:10::53 [west-clustermesh-apiserver]=fd00:10:0:1::234
    [east-curl-pod]=fd00:10:1:1::153 [east-webpod-1]=fd00:10:1:1::2 [east-webpod-2]=fd00:10:1:1::221
    [east-coredns]=fd00:10:1::53 [east-clustermesh-apiserver]=fd00:10:1:1::44
)

# ClusterIPs of webpod, of DNS, and of the etcd that other clusters read.
declare -A VIP_4=([west]=10.2.164.148 [east]=10.3.193.106) VIP_6=([west]=fd00:10:2:164::148 [east]=fd00:10:3:193::106)
declare -A DNS_4=([west]=10.2.0.10 [east]=10.3.0.10) DNS_6=([west]=fd00:10:2::10 [east]=fd00:10:3::10)
declare -A MESH_VIP_4=([west]=10.2.174.206 [east]=10.3.176.230) MESH_VIP_6=([west]=fd00:10:2:174::206 [east]=fd00:10:3:176::230)

# Pod CIDRs of each node, both of a cluster as a regular expression, and what contains all of a cluster.
declare -A POD_CIDR_4=([west-control-plane]=10.0.0.0/24 [west-worker]=10.0.1.0/24 [east-control-plane]=10.1.0.0/24 [east-worker]=10.1.1.0/24)
declare -A POD_CIDR_6=(
    [west-control-plane]=fd00:10::/64 [west-worker]=fd00:10:0:1::/64 [east-control-plane]=fd00:10:1::/64 [east-worker]=fd00:10:1:1::/64
)
declare -A POD_CIDRS_LIKE_4=([west]='(^|[^0-9.])10\.0\.[01]\.0/24' [east]='(^|[^0-9.])10\.1\.[01]\.0/24')
declare -A POD_CIDRS_LIKE_6=([west]='(^|[^0-9a-f:])fd00:10:(0:1:)?:/64' [east]='(^|[^0-9a-f:])fd00:10:1:(1:)?:/64')
declare -A CLUSTER_CIDR_4=([west]=10.0.0.0/16 [east]=10.1.0.0/16) CLUSTER_CIDR_6=([west]=fd00:10::/48 [east]=fd00:10:1::/48)

# choose_family <ipv4, dual or ipv6>
choose_family() {
    FAMILY=$1
    case $FAMILY in
        ipv4) FAMILIES=(4) ;;
        ipv6) FAMILIES=(6) ;;
        dual) FAMILIES=(4 6) ;;
        *) die 2 "--family takes ipv4, dual or ipv6, not '$FAMILY'" ;;
    esac
    use_family "${FAMILIES[0]}"
}

# use_family <4 or 6>: what ADDRESS, VIP and so on are from here on.
use_family() {
    local table key
    IP=$1
    OVER=''
    if (( ${#FAMILIES[@]} > 1 )); then OVER=", IPv$IP"; fi
    for table in "${FAMILY_TABLES[@]}"; do
        local -n to=$table from=${table}_$IP
        for key in "${!from[@]}"; do to[$key]=${from[$key]}; done
        unset -n to from
    done
    WEST_WEBPODS=$(words "${ADDRESS[west-webpod-1]} ${ADDRESS[west-webpod-2]}")
    EAST_WEBPODS=$(words "${ADDRESS[east-webpod-1]} ${ADDRESS[east-webpod-2]}")
    ALL_WEBPODS=$(words "$WEST_WEBPODS $EAST_WEBPODS")
    WEBPODS_OF=([west]=$WEST_WEBPODS [east]=$EAST_WEBPODS)
}

# each_family <command...>: for each family of the world, with its addresses.
each_family() {
    local family
    for family in "${FAMILIES[@]}"; do
        use_family "$family"
        "$@"
    done
    use_family "${FAMILIES[0]}"
}

# of_all_families <table> <key> <separator>: 10.2.0.10,fd00:10:2::10
of_all_families() {
    local family text=''
    for family in "${FAMILIES[@]}"; do
        local -n values=$1_$family
        text+=${text:+$3}${values[$2]}
        unset -n values
    done
    printf '%s\n' "$text"
}

has_ipv6() { [[ $FAMILY != ipv4 ]]; }

# host <address>: as it stands before a port.
host() { if [[ $1 == *:* ]]; then printf '[%s]\n' "$1"; else printf '%s\n' "$1"; fi; }

# literally <text>: as a regular expression.
literally() { sed 's/[].[]/\\&/g' <<<"$1"; }

# of_family <file>: as it is in this world.
of_family() { awk -v family="$FAMILY" -f "$ROOT/lab/family.awk" "$1"; }

# write_manifests: what is applied in this world.
write_manifests() {
    local file
    for file in "$ROOT"/lab/manifests/*/*.yaml; do
        mkdir -p "$STATE/manifests/$(basename "$(dirname "$file")")"
        of_family "$file" >"$STATE/manifests/${file#"$ROOT/lab/manifests/"}"
    done
}
