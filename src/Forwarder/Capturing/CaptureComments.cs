using System.Globalization;
using System.Text;
using ClusterMesh.Datapath.Io;
using ClusterMesh.Datapath.Pipeline;
using ClusterMesh.Datapath.State.Desired;
using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.Forwarder.Capturing;

/// <summary>What is said of a captured packet: verdict, reason, and who the ends are. Said once for each kind of packet of a flow and kept, so that a busy flow makes no text.</summary>
internal sealed class CaptureComments(NodeRuntime node)
{
    private const int MostKept = 4096;

    private readonly Dictionary<(FlowKey, CapturePoints, Verdict, DropReason, int, int), byte[]> _kept = [];
    private readonly Dictionary<IpAddress, string> _names = [];
    private Dictionary<int, string> _ports = [];
    private long _version = -1;

    /// <summary>The name of a port; its number when it has gone.</summary>
    public string PortOf(int id) => _ports.TryGetValue(id, out string? name) ? name : string.Create(CultureInfo.InvariantCulture, $"port-{id}");

    /// <summary>Looks whether the configuration has changed, and forgets what may no longer hold.</summary>
    public void Refresh() => node.Read(writer =>
    {
        if (writer.Version != _version)
        {
            _version = writer.Version;
            _ports = writer.Ports.Values.ToDictionary(p => p.Id, p => p.Name);
            _kept.Clear();
            _names.Clear();
        }

        return true;
    });

    public ReadOnlySpan<byte> Of(in CaptureRecord record, Span<byte> frame)
    {
        FlowKey flow = SteeringKey.TryRead(frame, out SteeringKey read) ? read.Key : EndsOf(frame);
        var key = (flow, record.Point, record.Verdict, record.Reason, record.IngressPort, record.EgressPort);
        if (_kept.TryGetValue(key, out byte[]? comment))
        {
            return comment;
        }

        if (_kept.Count >= MostKept)
        {
            _kept.Clear();
        }

        return _kept[key] = Encoding.UTF8.GetBytes(Text(record, flow));
    }

    /// <summary>The addresses of a frame that was cut, or whose flow nobody can read.</summary>
    private static FlowKey EndsOf(Span<byte> frame) =>
        EthernetHeader.TryParse(frame, out EthernetHeader ethernet) && ethernet.Type is EtherType.Ipv4 or EtherType.Ipv6
            && IpHeader.Parse(frame[EthernetHeader.Length..], quoted: true, out IpHeader ip) == IpParseResult.Valid
            ? new FlowKey(ip.Source, ip.Destination, 0, 0, ip.Protocol)
            : default;

    private string Text(in CaptureRecord record, in FlowKey flow)
    {
        string what = record.Verdict switch
        {
            Verdict.Drop => string.Create(CultureInfo.InvariantCulture, $"dropped: {DropReasons.TextOf(record.Reason)} ({(byte)record.Reason}{(record.ReasonDetail == 0 ? "" : $", {record.ReasonDetail}")})"),
            Verdict.Held => "held: waits for a neighbour or for its first fragment",
            Verdict.Consumed => "for the datapath itself",
            _ when record.IngressPort < 0 => $"sent by the datapath itself, or had waited; leaves by {PortOf(record.EgressPort)}",
            _ => $"forwarded from {PortOf(record.IngressPort)} to {PortOf(record.EgressPort)}",
        };
        string point = record.Point == CapturePoints.Received ? "as received" : "as it leaves";
        return flow == default ? $"{what}; {point}" : $"{what}; {point}; {NameOf(flow.Source)} -> {NameOf(flow.Destination)}";
    }

    private string NameOf(IpAddress address)
    {
        if (!_names.TryGetValue(address, out string? name))
        {
            _names[address] = name = node.Read(writer =>
            {
                uint identity = writer.Current.Ipcache.Lookup(address).Identity;
                return NameOf(writer.Desired, address) + (identity < NumericIdentity.FirstAllocated ? "" : string.Create(CultureInfo.InvariantCulture, $" (identity {identity})"));
            });
        }

        return name;
    }

    private static string NameOf(DesiredState desired, IpAddress address) =>
        desired.Endpoints.Values.FirstOrDefault(e => e.Addresses.Contains(address)) is { } pod ? $"pod {desired.Local.Cluster}/{pod.Name}"
        : desired.Local.Addresses.Any(a => a.Address == address) ? $"node {desired.Local.Cluster}/{desired.Local.Name}"
        : desired.Nodes.Values.FirstOrDefault(n => n.Addresses.Contains(address)) is { } other ? $"node {other.Cluster}/{other.Name}"
        : desired.Services.Values.FirstOrDefault(s => s.Frontends.Any(f => f.Address == address)) is { } service ? $"service {service.Name}"
        : desired.Nodes.Values.FirstOrDefault(n => n.PodCidrs.Any(c => c.Contains(address))) is { } home ? $"pod of {home.Cluster}/{home.Name}"
        : "world";
}
