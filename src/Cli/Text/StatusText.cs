using ClusterMesh.Datapath.Control.Rows;

namespace ClusterMesh.Datapath.Cli.Text;

/// <summary>The forwarder in a page, in the manner of cilium status.</summary>
internal static class StatusText
{
    /// <summary>Where values begin: "ClusterMesh:   disabled".</summary>
    private const int Column = 15;

    /// <summary>A table this full or fuller, in percent, is in warning.</summary>
    private const double NearlyFull = 90;

    /// <summary>False when any line of the page says Warning.</summary>
    public static bool IsWell(StatusReport report) =>
        report.Ports.All(IsUp) && report.Workers.All(w => w.StuckMilliseconds == 0) && ((TableFill[])[report.Conntrack, report.Snat, report.Neighbors]).All(fill => Percent(fill) < NearlyFull);

    public static IEnumerable<string> Format(StatusReport report, bool verbose)
    {
        int down = report.Ports.Count(port => !IsUp(port));
        yield return Line("Forwarder:", $"{(down == 0 ? "OK" : "Warning")}   {report.Version}, up {Duration(report.UptimeSeconds)}, pid {report.ProcessId}");
        yield return Line("Node:", $"{report.Node}, cluster {report.Cluster} (id {report.ClusterId})");
        yield return Line("Config:", $"OK   version {report.ConfigurationVersion}: {Count(report.Endpoints, "endpoint")}, {Count(report.Nodes, "node")}, {Count(report.Routes, "route")}, {Count(report.Services, "service")}, {Count(report.Backends, "backend")}");
        yield return Line("ClusterMesh:", report.ClusterMesh);
        yield return Line("Routing:", report.RoutingMode);
        yield return Line("Masquerading:", report.Masquerading);
        yield return Line("Conntrack:", Fill(report.Conntrack));
        yield return Line("SNAT:", Fill(report.Snat));
        yield return Line("Neighbors:", Fill(report.Neighbors));
        yield return Line("Ports:", down == 0 ? $"OK   {report.Ports.Count} up" : $"Warning   {report.Ports.Count - down} up, {down} down");
        foreach (PortRow port in report.Ports.Where(port => verbose || !IsUp(port)))
        {
            yield return $"   {port.Name}: {port.State}" + (verbose ? $", {port.Kind} {port.Interface} in {port.Namespace}, {port.Mac}, MTU {port.Mtu}" : "");
        }

        yield return Line("Packets:", $"{report.ForwardedPackets} forwarded, {report.DroppedPackets} dropped");
        foreach (WorkerRow worker in report.Workers.Where(w => w.StuckMilliseconds > 0))
        {
            yield return Line("Stuck:", $"Warning   {worker.Name} has not turned for {worker.StuckMilliseconds / 1000.0:0.0} s and forwards nothing; the forwarder's log has its stack");
        }

        if (verbose || report.Workers.Count > 1)
        {
            yield return Line("Workers:", $"{report.Workers.Count} on {report.Workers[0].Engine}");
        }

        foreach (WorkerRow worker in report.Workers.Where(_ => verbose || report.Workers.Count > 1))
        {
            yield return $"   {worker.Name}: {worker.ForwardedPackets} forwarded, {worker.DroppedPackets} dropped, {worker.HandedOverPackets} handed over, "
                + $"{worker.ConntrackEntries} conntrack and {worker.SnatEntries} SNAT entries" + (worker.StuckCount > 0 ? $", stuck {worker.StuckCount} times" : "") + (verbose ? $", {worker.AllocatedBytes} bytes allocated since start" : "");
        }
    }

    /// <summary>In the manner of Go: 2h13m20s.</summary>
    public static string Duration(long seconds) =>
        seconds < 60 ? $"{seconds}s" : seconds < 3600 ? $"{seconds / 60}m{seconds % 60}s" : $"{seconds / 3600}h{seconds / 60 % 60}m{seconds % 60}s";

    private static bool IsUp(PortRow port) => port.State == "up";

    private static string Line(string label, string value) => label.PadRight(Column) + value;

    private static string Count(int count, string what) => count == 1 ? $"1 {what}" : $"{count} {what}s";

    private static double Percent(TableFill fill) => fill.Capacity == 0 ? 0 : 100.0 * fill.Entries / fill.Capacity;

    private static string Fill(TableFill fill)
    {
        double percent = Percent(fill);
        return $"{(percent < NearlyFull ? "OK" : "Warning, nearly full")}   {fill.Entries}/{fill.Capacity} entries ({percent:0.0}%)";
    }
}
