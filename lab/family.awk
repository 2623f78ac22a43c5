# family.awk: of a file that has both address families, what is left in a world of the given one: -v family=ipv4, dual or ipv6. Addresses and
# CIDRs stand in lists, whose items of the other family go; a service's clusterIP is the first of its clusterIPs.

function item(text) { gsub(/^[ '"]+|[ '"]+$/, "", text); return text }

function is_unwanted(text) {
    return family == "ipv4" && (text == "IPv6" || text ~ /^[0-9a-f]+:[0-9a-f:]*(\/[0-9]+)?$/) ||
        family == "ipv6" && (text == "IPv4" || text ~ /^[0-9]+(\.[0-9]+)+(\/[0-9]+)?$/)
}

# kept <what stands between the brackets>
function kept(list,    items, count, i, text) {
    count = split(list, items, ",")
    text = ""
    for (i = 1; i <= count; i++)
        if (!is_unwanted(item(items[i]))) text = text (text == "" ? "" : ", ") substr(items[i], match(items[i], /[^ ]/))
    return text
}

family != "ipv4" && family != "dual" && family != "ipv6" { exit 2 }

/^ *clusterIP:/ { next }

/^ *ipv[46]NativeRoutingCIDR:/ && is_unwanted($2) { next }

{
    line = $0
    out = ""
    while (match(line, /\[[^][]*\]/)) {
        start = RSTART
        end = RSTART + RLENGTH
        list = kept(substr(line, start + 1, end - start - 2))
        out = out substr(line, 1, start) list "]"
        line = substr(line, end)
    }
    out = out line
    if (out ~ /^ *clusterIPs:/) {
        split(list, first, ",")
        print substr(out, 1, match(out, /[^ ]/) - 1) "clusterIP: " first[1]
    }
    print out
}
