using System.Globalization;
using ClusterMesh.Datapath.Cli.Observing;
using ClusterMesh.Datapath.Control.Rows;

namespace ClusterMesh.Datapath.Cli.Text;

/// <summary>The page of cmesh top.</summary>
internal static class TopText
{
    private static readonly string[] s_units = ["", "K", "M", "G", "T"];

    /// <param name="services">New flows a second by service.</param>
    /// <param name="lostCount">Flow events that were missed.</param>
    /// <param name="most">Rows of a table.</param>
    public static IReadOnlyList<string> Page(TopSample before, TopSample now, IReadOnlyDictionary<string, double> services, ulong lostCount, int most)
    {
        StatusReport status = now.Status;
        List<string> lines = [];
        double drops = now.Names("drop", "packets").Sum(n => now.RateSince(before, "drop", n, "packets"));
        double forwarded = now.Names("worker", "forwardedPackets").Sum(n => now.RateSince(before, "worker", n, "forwardedPackets"));
        string busy = string.Join(", ", now.Names("worker", "busyNanoseconds").Order(StringComparer.Ordinal)
            .Select(n => string.Create(CultureInfo.InvariantCulture, $"{n} {now.RateSince(before, "worker", n, "busyNanoseconds") / 1e9:P0}")));
        lines.Add($"{status.Cluster}/{status.Node}   forwarded {Number(forwarded)}/s   dropped {Number(drops)}/s   conntrack {status.Conntrack.Entries}/{status.Conntrack.Capacity}   {busy}{(lostCount > 0 ? $"   {lostCount} events lost" : "")}");
        lines.Add("");
        lines.AddRange(Table(["PORT", "KIND", "FROM IT", "", "TO IT", ""], most, status.Ports.Select(p => Port(before, now, p)).OrderByDescending(p => p.Weight).ThenBy(p => p.Row[0], StringComparer.Ordinal)));
        lines.Add("");
        lines.AddRange(Table(["SERVICE", "NEW FLOWS"], most, services.Where(s => s.Value > 0).OrderByDescending(s => s.Value).ThenBy(s => s.Key, StringComparer.Ordinal)
            .Select(s => (s.Value, new[] { s.Key, $"{Number(s.Value)}/s" }))));
        lines.Add("");
        lines.AddRange(Table(["DROP REASON", "PACKETS", "BYTES"], most, now.Names("drop", "packets")
            .Select(n => (Weight: now.RateSince(before, "drop", n, "packets"), Row: new[] { n, $"{Number(now.RateSince(before, "drop", n, "packets"))}/s", $"{Number(now.RateSince(before, "drop", n, "bytes"))}B/s" }))
            .Where(r => r.Weight > 0).OrderByDescending(r => r.Weight).ThenBy(r => r.Row[0], StringComparer.Ordinal)));
        return lines;
    }

    /// <summary>950, 1.2K, 13.4M.</summary>
    public static string Number(double value)
    {
        int unit = 0;
        while (value >= 999.5 && unit < s_units.Length - 1)
        {
            value /= 1000;
            unit++;
        }

        return value.ToString(unit == 0 ? "0" : "0.0", CultureInfo.InvariantCulture) + s_units[unit];
    }

    private static (double Weight, string[] Row) Port(TopSample before, TopSample now, PortRow port)
    {
        double Rate(string counter) => now.RateSince(before, "port", port.Name, counter);
        return (Rate("rxBytes") + Rate("txBytes"),
        [
            port.Name, port.Kind, $"{Number(Rate("rxPackets"))} packets/s", $"{Number(Rate("rxBytes") * 8)}bit/s",
            $"{Number(Rate("txPackets"))} packets/s", $"{Number(Rate("txBytes") * 8)}bit/s",
        ]);
    }

    private static IEnumerable<string> Table(string[] header, int most, IEnumerable<(double Weight, string[] Row)> rows) => TextTable.Align([header, .. rows.Take(most).Select(r => r.Row)]);
}
