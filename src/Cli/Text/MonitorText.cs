using System.Globalization;
using System.Text;
using System.Text.Json;
using ClusterMesh.Datapath.Observe.Text;
using ClusterMesh.Datapath.Pipeline.Events;
using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.Cli.Text;

/// <summary>One record of the forwarder as a line in the manner of cilium monitor, or as JSON: numbers and addresses, no names but those of ports.</summary>
internal static class MonitorText
{
    /// <summary>-> endpoint 12 identity 0->0 state new port default/curl-pod: 10.0.1.105:60758 -> 10.1.1.2:80 tcp SYN</summary>
    public static string Line(in FlowRecord record, Func<uint, string> portName, bool verbose)
    {
        string what = record.Kind switch
        {
            FlowEventKind.Drop => $"xx drop ({DropText(record)})",
            FlowEventKind.PolicyVerdict => $"Policy verdict log: {(record.Verdict == FlowVerdict.Forwarded ? "allow" : record.Verdict == FlowVerdict.Audit ? "audit" : "deny")}, match {record.PolicyMatch}, {record.Direction.ToString().ToLowerInvariant()}",
            _ => Point(record),
        };
        string state = record.Kind == FlowEventKind.Trace ? $" state {record.TraceReason.ToString().ToLowerInvariant()}" : "";
        string translated = record.TranslatedSource == default ? "" : $" (source becomes {record.TranslatedSource})";
        string line = string.Create(CultureInfo.InvariantCulture,
            $"{what} identity {record.SourceIdentity}->{record.DestinationIdentity}{state} port {portName(record.Interface)}: {Packet(record)}{translated}");
        return verbose
            ? string.Create(CultureInfo.InvariantCulture,
                $"{DateTime.UnixEpoch.AddTicks(record.Time / 100):yyyy-MM-ddTHH:mm:ss.ffffffZ} worker-{record.Worker} {line} [{record.SourceMac} -> {record.DestinationMac}, {record.PacketLength} bytes, {record.PacketCount} packet(s)]")
            : line;
    }

    /// <summary>The record with the names of its fields, those that mean nothing left out.</summary>
    public static string Json(in FlowRecord record, Func<uint, string> portName)
    {
        using MemoryStream bytes = new();
        using (Utf8JsonWriter json = new(bytes))
        {
            json.WriteStartObject();
            json.WriteNumber("time", record.Time);
            json.WriteNumber("worker", record.Worker);
            json.WriteString("kind", record.Kind switch { FlowEventKind.Drop => "drop", FlowEventKind.PolicyVerdict => "policy-verdict", _ => "trace" });
            json.WriteString("verdict", record.Verdict.ToString().ToUpperInvariant());
            Write(json, "dropReason", record.Kind == FlowEventKind.Trace ? "" : DropReasonText.Of((int)record.DropReason));
            Write(json, "observationPoint", record.Kind == FlowEventKind.Trace ? PointName(record.ObservationPoint) : "");
            Write(json, "state", record.TraceReason == FlowTraceReason.Unknown ? "" : record.TraceReason.ToString().ToLowerInvariant());
            Write(json, "direction", record.Direction == FlowDirection.Unknown ? "" : record.Direction.ToString().ToLowerInvariant());
            Write(json, "port", portName(record.Interface));
            Write(json, "protocol", record.Source == default ? "" : FlowKey.ProtocolName(record.Protocol));
            Write(json, "source", record.Source == default ? "" : record.Source.ToString());
            Write(json, "sourcePort", record.SourcePort);
            Write(json, "destination", record.Source == default ? "" : record.Destination.ToString());
            Write(json, "destinationPort", record.DestinationPort);
            Write(json, "translatedSource", record.TranslatedSource == default ? "" : record.TranslatedSource.ToString());
            Write(json, "summary", FlowSummary.Of(record));
            Write(json, "sourceIdentity", record.SourceIdentity);
            Write(json, "destinationIdentity", record.DestinationIdentity);
            Write(json, "length", record.PacketLength);
            Write(json, "packets", record.PacketCount);
            json.WriteEndObject();
        }

        return Encoding.UTF8.GetString(bytes.GetBuffer(), 0, (int)bytes.Length);
    }

    private static string DropText(in FlowRecord record) => record.ReasonDetail == 0
        ? DropReasonText.Of((int)record.DropReason)
        : string.Create(CultureInfo.InvariantCulture, $"{DropReasonText.Of((int)record.DropReason)}, {record.ReasonDetail}");

    private static string Point(in FlowRecord record)
    {
        string name = PointName(record.ObservationPoint);
        string arrow = name.StartsWith("to-", StringComparison.Ordinal) ? "->" : "<-";
        ushort endpoint = arrow == "->" ? record.DestinationEndpoint : record.SourceEndpoint;
        string end = name[(name.IndexOf('-', StringComparison.Ordinal) + 1)..];
        string translated = record.Verdict == FlowVerdict.Translated ? " translated" : "";
        return end == "endpoint" ? string.Create(CultureInfo.InvariantCulture, $"{arrow} endpoint {endpoint}{translated}") : $"{arrow} {end}{translated}";
    }

    /// <summary>ToEndpoint is to-endpoint.</summary>
    private static string PointName(ObservationPoint point)
    {
        string name = point.ToString();
        int second = name.StartsWith("To", StringComparison.Ordinal) ? 2 : 4;
        return $"{name[..second]}-{name[second..]}".ToLowerInvariant();
    }

    private static string Packet(in FlowRecord record)
    {
        if (record.Source == default && record.Destination == default)
        {
            return record.SourceMac.Value == 0 && record.DestinationMac.Value == 0
                ? "a frame that cannot be shown"
                : string.Create(CultureInfo.InvariantCulture, $"{record.SourceMac} -> {record.DestinationMac} ethertype 0x{(ushort)record.EtherType:x4}");
        }

        bool hasPorts = record.Protocol is IpProtocol.Tcp or IpProtocol.Udp or IpProtocol.Sctp;
        string source = hasPorts ? FlowKey.Endpoint(record.Source, record.SourcePort) : record.Source.ToString();
        string destination = hasPorts ? FlowKey.Endpoint(record.Destination, record.DestinationPort) : record.Destination.ToString();
        string summary = FlowSummary.Of(record);
        string tail = record.Protocol == IpProtocol.Tcp ? "tcp " + summary["TCP Flags: ".Length..] : summary.Length > 0 && !hasPorts ? summary : FlowKey.ProtocolName(record.Protocol).ToLowerInvariant();
        return $"{source} -> {destination} {tail}".TrimEnd();
    }

    private static void Write(Utf8JsonWriter json, string name, string value)
    {
        if (value.Length > 0)
        {
            json.WriteString(name, value);
        }
    }

    private static void Write(Utf8JsonWriter json, string name, uint value)
    {
        if (value > 0)
        {
            json.WriteNumber(name, value);
        }
    }
}
