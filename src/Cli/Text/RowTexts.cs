using ClusterMesh.Datapath.Control.Rows;

namespace ClusterMesh.Datapath.Cli.Text;

/// <summary>The tables of cmesh. Where Cilium prints the same thing, its words and its layout are used.</summary>
internal static class RowTexts
{
    public static RowText<EndpointRow> Endpoint { get; } = new(
        ["ID", "NAME", "ADDRESSES", "MAC", "NAMESPACE", "INTERFACE", "STATE"],
        row => [[$"{row.Id}", row.Name, Join(row.Addresses), row.Mac, row.Namespace, row.Interface, row.State]],
        row => row.Name);

    public static RowText<NodeRow> Node { get; } = new(
        ["CLUSTER", "NAME", "ADDRESSES", "POD CIDRS"],
        row => [[row.Cluster, row.Name, Join(row.Addresses), Join(row.PodCidrs)]],
        row => $"{row.Cluster}/{row.Name}");

    public static RowText<RouteRow> Route { get; } = new(
        ["PREFIX", "KIND", "VIA", "PORT", "ORIGIN"],
        row => [[row.Prefix, row.Kind, Or(row.Via), Or(row.Port), Or(row.Origin)]],
        row => row.Prefix);

    public static RowText<BackendRow> Backend { get; } = new(
        ["ID", "BACKEND", "STATE", "CLUSTER", "NODE", "SERVICES"],
        row => [[$"{row.Id}", row.Backend, row.State, Or(row.Cluster), Or(row.Node), Join(row.Services)]],
        row => row.Backend);

    /// <summary>cilium-dbg bpf ipmasq list.</summary>
    public static RowText<MasqueradeRow> Masquerade { get; } = new(["IP PREFIX/ADDRESS"], row => [[row.Prefix]], row => row.Prefix);

    public static RowText<NeighborRow> Neighbor { get; } = new(
        ["ADDRESS", "MAC", "STATE", "PORT", "AGE"],
        row => [[row.Address, Or(row.Mac), row.State, row.Port, $"{row.AgeSeconds}s"]],
        row => row.Address);

    public static RowText<CounterRow> Counter { get; } = new(
        ["SCOPE", "NAME", "COUNTER", "VALUE"],
        row => [[row.Scope, row.Name, row.Counter, $"{row.Value}"]],
        row => $"{row.Scope}\0{row.Name}\0{row.Counter}");

    /// <summary>cilium-dbg bpf ipcache list.</summary>
    public static RowText<IpcacheRow> Ipcache { get; } = new(
        ["IP PREFIX/ADDRESS", "IDENTITY"],
        row => [[row.Prefix, $"identity={row.Identity} encryptkey={row.EncryptKey} tunnelendpoint={row.TunnelEndpoint} flags={(row.Flags.Count == 0 ? "<none>" : string.Join(',', row.Flags))}"]],
        row => row.Prefix);

    /// <summary>cilium-dbg ip list: further labels on lines of their own.</summary>
    /// <param name="numeric">The identity's number instead of its labels.</param>
    public static RowText<IpcacheRow> Ip(bool numeric) => new(
        ["IP", "IDENTITY", "SOURCE"],
        row => numeric || row.Labels.Count == 0
            ? [[row.Prefix, $"{row.Identity}", row.Source]]
            : row.Labels.Select((label, i) => i == 0 ? (string[])[row.Prefix, label, row.Source] : ["", label, ""]),
        row => row.Prefix);

    /// <summary>cilium-dbg identity list: further labels on lines of their own.</summary>
    public static RowText<IdentityRow> Identity { get; } = new(
        ["ID", "LABELS"],
        row => row.Labels.DefaultIfEmpty("").Select((label, i) => (string[])[i == 0 ? $"{row.Id}" : "", label]),
        row => $"{row.Id}");

    public static RowText<PolicyRow> Policy { get; } = new(
        ["NAME", "KIND", "SELECTOR", "DEFAULT DENY", "RULES", "ENDPOINTS"],
        row => [[row.Name, Or(row.Kind), row.Selector.Length == 0 ? "(all)" : row.Selector, Join(row.DefaultDeny), $"{row.Rules}", Join(row.Endpoints)]],
        row => row.Name);

    public static RowText<PortRow> Port { get; } = new(
        ["ID", "NAME", "KIND", "NAMESPACE", "INTERFACE", "MAC", "MTU", "STATE"],
        row => [[$"{row.Id}", row.Name, row.Kind, Or(row.Namespace), row.Interface, row.Mac, $"{row.Mtu}", row.State]],
        row => $"{row.Id}");

    /// <summary>cilium-dbg bpf ct list. An entry ends with a blank, as it does there.</summary>
    public static RowText<ConntrackRow> Conntrack { get; } = new([], row => [[FormatConntrack(row)]], row => $"{row.Protocol} {row.Source} {row.Destination} {row.Direction}");

    /// <summary>cilium-dbg bpf nat list: a mapping is a pair of entries, one for each way.</summary>
    public static RowText<SnatRow> Snat { get; } = new([], FormatSnat, row => $"{row.Protocol} {row.Source} {row.Destination}");

    /// <summary>cilium-dbg service list: further backends on lines of their own.</summary>
    /// <param name="affinity">Mark the backends that service affinity prefers.</param>
    public static RowText<ServiceRow> Service(bool affinity) => new(
        ["ID", "Frontend", "Service Type", "Backend"], row => FormatService(row, affinity), row => $"{row.Id}");

    private static IEnumerable<string[]> FormatService(ServiceRow row, bool affinity)
    {
        List<string> backends = [.. row.Backends
            .OrderBy(backend => backend.Slot)
            .Select(backend => $"{backend.Slot} => {backend.Backend} ({backend.State}){(affinity && backend.Preferred ? " (preferred)" : "")}")];
        yield return [$"{row.Id}", row.Frontend, row.Type, .. backends.Take(1)];
        foreach (string backend in backends.Skip(1))
        {
            yield return ["", "", "", backend];
        }
    }

    private static string FormatConntrack(ConntrackRow row)
    {
        // Cilium 1.17 shows a service entry as an outgoing one with the word service.
        string direction = row.Direction == "SVC" ? "OUT" : row.Direction;
        string service = row.Direction == "SVC" ? "service " : "";
        string flags = string.Concat(row.FlagNames.Select(name => name + " "));
        return $"{row.Protocol} {direction} {row.Source} -> {row.Destination} {service}expires={row.Expires} Packets={row.Packets} Bytes={row.Bytes} "
            + $"RxFlagsSeen=0x{row.RxFlagsSeen:x2} LastRxReport={row.LastRxReport} TxFlagsSeen=0x{row.TxFlagsSeen:x2} LastTxReport={row.LastTxReport} "
            + $"Flags=0x{row.Flags:x4} [ {flags}] RevNAT={row.RevNat} SourceSecurityID={row.SourceIdentity} BackendID={row.BackendId} ";
    }

    private static IEnumerable<string[]> FormatSnat(SnatRow row)
    {
        string tail = $"Created={row.CreatedSecondsAgo}sec ago NeedsCT=0";
        yield return [$"{row.Protocol} OUT {row.Source} -> {row.Destination} XLATE_SRC {row.Translated} {tail}"];
        if (!row.IsReturn)
        {
            yield return [$"{row.Protocol} IN {row.Destination} -> {row.Translated} XLATE_DST {row.Source} {tail}"];
        }
    }

    private static string Join(IReadOnlyList<string> values) => Or(string.Join(",", values));

    /// <summary>An empty cell would shift the columns of awk.</summary>
    private static string Or(string value) => value.Length == 0 ? "-" : value;
}
