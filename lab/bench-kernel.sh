# shellcheck shell=bash
# bench-kernel.sh: the same topology by the kernel: veths, the nodes' own stacks as routers, services by nftables in the manner of
# kube-proxy's nftables mode (a map of frontends to chains, a random choice, a chain for each endpoint).

start_kernel() {
    local side
    kernel_node "$1" west 172.18.0.5 10.0.1.218
    kernel_node "$1" east 172.18.0.2 10.1.1.218
    kernel_pod "$1" west client "$CLIENT" 10.0.1.218
    kernel_pod "$1" west server "$NEAR" 10.0.1.218
    kernel_pod "$1" east server "$FAR" 10.1.1.218
    if [[ ${HAS_TUNNEL[$1]} == true ]]; then
        kernel_tunnel "$1" west 172.18.0.5 172.18.0.2 10.1.1.218 10.1.1.0/24
        kernel_tunnel "$1" east 172.18.0.2 172.18.0.5 10.0.1.218 10.0.1.0/24
    else
        at "$1-west-node" ip route add 10.1.1.0/24 via 172.18.0.2
        at "$1-east-node" ip route add 10.0.1.0/24 via 172.18.0.5
    fi
    kernel_table 10.0 10.1 >"$STATE/nodes/$1-west.nft"
    kernel_table 10.1 10.0 >"$STATE/nodes/$1-east.nft"
    for side in west east; do reset_services_kernel "$1" "$side"; done
}

# kernel_node <world> <side> <address> <router address>
kernel_node() {
    ip -n "$LAB_ID-$1-net" -batch - <<END
link add $2 type veth peer name eth0 netns $LAB_ID-$1-$2-node
link set $2 master br0 up
END
    ip -n "$LAB_ID-$1-$2-node" -batch - <<END
addr add $3/16 dev eth0
link set eth0 up
addr add $4/32 dev lo
END
    at "$1-$2-node" sysctl -qw net.ipv4.ip_forward=1
}

# kernel_tunnel <world> <side> <own address> <other node's> <its router> <its pods>: the kernel's own vxlan device to the other node; pods
# get what the tunnel leaves of the MTU.
kernel_tunnel() {
    local pod pods=(server)
    ip -n "$LAB_ID-$1-$2-node" -batch - <<END
link add vxlan0 type vxlan id 5 dstport 8472 local $3 remote $4 dev eth0 noudpcsum
link set vxlan0 mtu 1450 up
route add $6 via $5 dev vxlan0 onlink
END
    [[ $2 == east ]] || pods+=(client)
    for pod in "${pods[@]}"; do
        ip -n "$LAB_ID-$1-$2-node" link set "$pod" mtu 1450
        ip -n "$LAB_ID-$1-$2-$pod" link set eth0 mtu 1450
    done
}

# kernel_pod <world> <side> <pod> <address> <router address>
kernel_pod() {
    ip -n "$LAB_ID-$1-$2-node" -batch - <<END
link add $3 type veth peer name eth0 netns $LAB_ID-$1-$2-$3
link set $3 up
route add $4/32 dev $3
END
    ip -n "$LAB_ID-$1-$2-$3" -batch - <<END
addr add $4/32 dev eth0
link set eth0 up
route add $5/32 dev eth0
route add default via $5
END
}

# kernel_table <native network> <exempt network>: the first two bytes of each.
kernel_table() {
    cat <<END
flush ruleset
table ip kube-proxy {
    map no-endpoint-services { type ipv4_addr . inet_proto . inet_service : verdict; }
    map service-ips { type ipv4_addr . inet_proto . inet_service : verdict; }
    chain filter-forward {
        type filter hook forward priority -110
        ct state new ip daddr . meta l4proto . th dport vmap @no-endpoint-services
    }
    chain services { ip daddr . meta l4proto . th dport vmap @service-ips; }
    chain nat-prerouting {
        type nat hook prerouting priority dstnat
        jump services
    }
    chain nat-output {
        type nat hook output priority -100
        jump services
    }
    chain mark-for-masquerade { meta mark set meta mark or 0x4000; }
    chain masquerading {
        meta mark & 0x4000 == 0 return
        meta mark set meta mark ^ 0x4000
        masquerade fully-random
    }
    chain nat-postrouting {
        type nat hook postrouting priority srcnat
        jump masquerading
        oifname eth0 ip saddr $1.0.0/16 ip daddr != { $1.0.0/16, $2.0.0/16, 169.254.0.0/16 } masquerade fully-random
    }
}
END
}

# services_for_kernel: lines of services to what nft adds.
services_for_kernel() {
    awk '{
        split($3, frontend, ":")
        choice = ""
        for (i = 4; i <= NF; i++) {
            split($i, backend, ":")
            chain = "endpoint-" $1 "-" (i - 4)
            printf "add chain ip kube-proxy %s\n", chain
            printf "add rule ip kube-proxy %s ip saddr %s jump mark-for-masquerade\n", chain, backend[1]
            printf "add rule ip kube-proxy %s meta l4proto %s dnat to %s:%s\n", chain, $2, backend[1], backend[2]
            choice = choice (i > 4 ? ", " : "") (i - 4) " : goto " chain
        }
        printf "add chain ip kube-proxy service-%s\n", $1
        printf "add rule ip kube-proxy service-%s numgen random mod %d vmap { %s }\n", $1, NF - 3, choice
        printf "add element ip kube-proxy service-ips { %s . %s . %s : goto service-%s }\n", frontend[1], $2, frontend[2], $1
    }'
}

# reset_services_kernel <world> <side>: the rules as they were at first.
reset_services_kernel() {
    at "$1-$2-node" nft -f "$STATE/nodes/$1-$2.nft"
    at "$1-$2-node" nft -f "$STATE/services/few.nft"
}

# add_services_kernel <world> <set>: a thousand services at a time, as the time that nft takes for one file grows with its square.
add_services_kernel() {
    local side
    for side in west east; do
        split --lines=15000 --filter="ip netns exec $LAB_ID-$1-$side-node nft -f -" "$STATE/services/$2.nft" || die 1 "$1: nft refused $2"
    done
}
