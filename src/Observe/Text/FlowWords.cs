using System.Globalization;
using ClusterMesh.Datapath.Observe.Hubble.Flows;
using ClusterMesh.Datapath.Observe.Names;
using ClusterMesh.Datapath.Pipeline.Events;
using Google.Protobuf.WellKnownTypes;

namespace ClusterMesh.Datapath.Observe.Text;

/// <summary>The parts of a flow in Hubble's words, plain or coloured.</summary>
internal sealed class FlowWords
{
    private static readonly string[] s_points =
    [
        "to-endpoint", "to-proxy", "to-host", "to-stack", "to-overlay", "from-endpoint", "from-proxy", "from-host", "from-stack", "from-overlay",
        "from-network", "to-network", "from-crypto", "to-crypto",
    ];

    private static readonly string[] s_matches = ["none", "L3-Only", "L3-L4", "L4-Only", "all", "L3-Proto", "Proto-Only"];

    private readonly FlowTextSettings _settings;
    private readonly bool _colours;

    public FlowWords(FlowTextSettings settings)
    {
        _settings = settings;
        _colours = settings.Colours && (settings.Format is FlowFormat.Compact or FlowFormat.Dict);
    }

    private enum Colour
    {
        Red = 31,
        Green = 32,
        Yellow = 33,
        Magenta = 35,
        Cyan = 36,
    }

    /// <summary>Jan  2 15:04:05.678, in UTC.</summary>
    public static string Time(Timestamp? time)
    {
        if (time is null)
        {
            return "N/A";
        }

        DateTime utc = time.ToDateTime();
        return string.Create(CultureInfo.InvariantCulture, $"{utc:MMM} {utc.Day,2} {utc:HH:mm:ss.fff}");
    }

    public static string Type(Flow flow)
    {
        int subType = flow.EventType?.SubType ?? 0;
        return (FlowEventKind)(flow.EventType?.Type ?? 0) switch
        {
            FlowEventKind.Trace => Point(subType),
            FlowEventKind.Drop => DropReasonText.Of(subType),
            FlowEventKind.PolicyVerdict => $"policy-verdict:{Match(flow.PolicyMatchType)} {Direction(flow.TrafficDirection)}",
            _ => "UNKNOWN",
        };
    }

    /// <summary>to-endpoint; a number for one that nobody knows.</summary>
    public static string Point(int point) => point >= 0 && point < s_points.Length ? s_points[point] : point.ToString(CultureInfo.InvariantCulture);

    public static string Summary(Flow flow) => Clean(flow.IpTraceId is { TraceId: > 0 } trace
        ? string.Create(CultureInfo.InvariantCulture, $"IP Trace ID: {trace.TraceId}; {flow.Summary}")
        : flow.Summary);

    /// <summary>Without control characters: names come from other clusters, and a terminal would obey them.</summary>
    public static string Clean(string text) => text.Any(char.IsControl) ? string.Concat(text.Select(c => char.IsControl(c) ? '?' : c)) : text;

    public string Verdict(Flow flow)
    {
        bool policy = flow.EventType?.Type == (int)FlowEventKind.PolicyVerdict;
        return flow.Verdict switch
        {
            Hubble.Flows.Verdict.Forwarded => Paint(Colour.Green, policy ? "ALLOWED" : "FORWARDED") + Policies(flow, policy),
            Hubble.Flows.Verdict.Redirected => Paint(Colour.Green, policy ? "ALLOWED" : "REDIRECTED") + Policies(flow, policy),
            Hubble.Flows.Verdict.Dropped => Paint(Colour.Red, policy ? "DENIED" : "DROPPED") + Policies(flow, policy),
            Hubble.Flows.Verdict.Error => Paint(Colour.Red, policy ? "DENIED" : "ERROR") + Policies(flow, policy),
            Hubble.Flows.Verdict.Audit => Paint(Colour.Yellow, policy ? "AUDITED" : "AUDIT") + Policies(flow, policy),
            Hubble.Flows.Verdict.Traced => Paint(Colour.Yellow, "TRACED"),
            Hubble.Flows.Verdict.Translated => Paint(Colour.Yellow, "TRANSLATED"),
            _ => "VERDICT_UNKNOWN",
        };
    }

    public string Identity(Endpoint? endpoint)
    {
        uint identity = endpoint?.Identity ?? 0;
        return Paint(Colour.Magenta, ReservedIdentity.NameOf(identity) is { } name ? $"({name})" : string.Create(CultureInfo.InvariantCulture, $"(ID:{identity})"));
    }

    public (string Source, string Destination) Hosts(Flow flow)
    {
        if (flow.IP is null)
        {
            return flow.Ethernet is null ? ("", "") : (Paint(Colour.Cyan, flow.Ethernet.Source), Paint(Colour.Cyan, flow.Ethernet.Destination));
        }

        (uint source, uint destination) = Ports(flow.L4);
        return (
            Host(flow.IP.Source, source, flow.Source, flow.SourceService, flow.SourceNames),
            Host(flow.IP.Destination, destination, flow.Destination, flow.DestinationService, flow.DestinationNames));
    }

    private static (uint Source, uint Destination) Ports(Layer4? layer) => layer?.ProtocolCase switch
    {
        Layer4.ProtocolOneofCase.TCP => (layer.TCP.SourcePort, layer.TCP.DestinationPort),
        Layer4.ProtocolOneofCase.UDP => (layer.UDP.SourcePort, layer.UDP.DestinationPort),
        Layer4.ProtocolOneofCase.SCTP => (layer.SCTP.SourcePort, layer.SCTP.DestinationPort),
        _ => (0, 0),
    };

    private static string Match(uint match) => match < s_matches.Length ? s_matches[match] : match.ToString(CultureInfo.InvariantCulture);

    private static string Direction(TrafficDirection direction) => direction switch
    {
        TrafficDirection.Ingress => "INGRESS",
        TrafficDirection.Egress => "EGRESS",
        _ => "TRAFFIC_DIRECTION_UNKNOWN",
    };

    private string Policies(Flow flow, bool policy)
    {
        Policy[] policies = [.. flow.EgressAllowedBy, .. flow.IngressAllowedBy, .. flow.EgressDeniedBy, .. flow.IngressDeniedBy];
        return policy && _settings.ShowPolicies && policies.Length > 0
            ? " BY " + string.Join(", ", policies.Select(p => Clean(p.Kind.Length == 0 ? p.Name : $"{p.Name} ({p.Kind})")))
            : "";
    }

    private string Host(string address, uint port, Endpoint? endpoint, Service? service, IEnumerable<string> names)
    {
        string host = address;
        if (!_settings.Numeric)
        {
            string ns = service?.Namespace ?? endpoint?.Namespace ?? "";
            string name = endpoint?.PodName is { Length: > 0 } pod ? pod : service?.Name ?? "";
            string all = string.Join(',', names);
            host = name.Length > 0 ? (ns.Length > 0 ? $"{ns}/{name}" : name) : all.Length > 0 ? all : address;
        }

        if (port == 0)
        {
            return Paint(Colour.Cyan, host);
        }

        string bracketed = host.Contains(':', StringComparison.Ordinal) ? $"[{host}]" : host;
        return Paint(Colour.Cyan, bracketed) + ":" + Paint(Colour.Yellow, port.ToString(CultureInfo.InvariantCulture));
    }

    private string Paint(Colour colour, string text) => _colours && text.Length > 0 ? $"\e[{(int)colour}m{Clean(text)}\e[0m" : Clean(text);
}
