# Two files: when each change was ordered ("seconds backends"), and what each new flow met ("seconds address"). Prints how long the second
# backend was not yet used after it was added, and still used after it was removed, and how many changes were late.
BEGIN { changes = 0; failed = 0; at = 0 }
FNR == NR { when[changes] = $1; kind[changes++] = $2; next }
$2 == "" { failed++; next }
{
    while (at + 1 < changes && $1 >= when[at + 1]) at++
    if (at + 1 >= changes || $1 < when[0]) next
    took = ($1 - when[at]) * 1000
    if ($2 == other) {
        if (kind[at] == 2 && !(at in time)) time[at] = took
        if (kind[at] == 1) time[at] = took
        last[at] = took
    }
    flows++
    seen[at] = took
}
END {
    late = 0
    for (i = 0; i + 1 < changes; i++) {
        if (kind[i] == 1 && !(i in time)) time[i] = 0
        # Used to the end of its interval: it was never noticed.
        if (!(i in time) || (kind[i] == 1 && seen[i] - time[i] < 30)) { late++; printf "change %d, %s: late\n", i + 1, kind[i] == 2 ? "added" : "removed"; continue }
        values[kind[i], ++count[kind[i]]] = time[i]
        values["all", ++count["all"]] = time[i]
    }
    printf "%d new flows, %.1f ms apart; from the command to the first or last flow, in ms:\n", flows, (when[changes - 1] - when[0]) * 1000 / flows
    print "             median     p90     p99     max"
    line("added", 2); line("removed", 1); line("all", "all")
    printf "wanted: median 100, p99 500 at most\n"
    printf "%d changes, %d late, %d failed\n", changes - 1, late, failed
}
function line(name, which,    n, i, j, swap, sorted) {
    n = count[which]
    for (i = 1; i <= n; i++) sorted[i] = values[which, i]
    for (i = 2; i <= n; i++) for (j = i; j > 1 && sorted[j] < sorted[j - 1]; j--) { swap = sorted[j]; sorted[j] = sorted[j - 1]; sorted[j - 1] = swap }
    printf "%-9s %9.1f %7.1f %7.1f %7.1f\n", name, rank(sorted, n, 0.5), rank(sorted, n, 0.9), rank(sorted, n, 0.99), sorted[n]
}
function rank(sorted, n, part,    i) { i = int(n * part + 0.999999); return sorted[i < 1 ? 1 : i] }
