using System.Globalization;
using ClusterMesh.Datapath.Control;
using ClusterMesh.Datapath.Control.Messages;
using ClusterMesh.Datapath.Pipeline;
using ClusterMesh.Datapath.State;
using ClusterMesh.Datapath.State.Desired;
using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.Trace;

/// <summary>Finds what a person calls the two ends of a packet: pods, services, addresses.</summary>
internal sealed class EndsReader(MeshNames names)
{
    private const ushort DefaultPort = 40000;

    /// <exception cref="ControlException">An end is not there, or is not said well.</exception>
    public TracedEnds Read(TracePacket packet)
    {
        if (packet.From is not { Length: > 0 } from || packet.To is not { Length: > 0 } to)
        {
            throw Bad("packets: each needs a frame, or from and to");
        }

        (IpAddress[] sources, ushort? sourcePort) = Source(from);
        (IpAddress[] destinations, ushort? destinationPort, IpProtocol? served) = Destination(to, sources);
        IpProtocol protocol = packet.Protocol is { } named ? Protocol(named) : served ?? IpProtocol.Tcp;
        foreach (IpAddress destination in destinations)
        {
            IpAddress source = Array.Find(sources, a => a.IsIpv4 == destination.IsIpv4);
            if (source != default)
            {
                string port = packet.In ?? PortOf(source);
                return new TracedEnds(port, Flow(source, sourcePort, destination, destinationPort, protocol, to));
            }
        }

        throw Bad($"from '{from}' and to '{to}' have no address family in common: {string.Join(", ", sources)} and {string.Join(", ", destinations)}");
    }

    /// <summary>The port at which a frame would come in, by its source.</summary>
    public string PortOf(Span<byte> frame) => IpHeader.Parse(frame[EthernetHeader.Length..], quoted: false, out IpHeader ip) == IpParseResult.Valid
        ? PortOf(ip.Source)
        : throw Bad("in: the frame is not IP; say by which port it comes in");

    private static FlowKey Flow(IpAddress source, ushort? sourcePort, IpAddress destination, ushort? destinationPort, IpProtocol protocol, string to)
    {
        if (protocol is IpProtocol.Icmp or IpProtocol.Icmpv6)
        {
            // An echo's id stands in for the ports.
            return new FlowKey(source, destination, 0, sourcePort ?? DefaultPort, source.IsIpv4 ? IpProtocol.Icmp : IpProtocol.Icmpv6);
        }

        ushort port = destinationPort ?? throw Bad($"to: '{to}' has no port; write one behind it, such as {FlowKey.Endpoint(destination, 80)}, or --protocol icmp");
        return new FlowKey(source, destination, sourcePort ?? DefaultPort, port, protocol);
    }

    /// <summary>The port at which a packet with this source would come in.</summary>
    private string PortOf(IpAddress source) => names.PodAt(source)?.Name ?? (names.Local.Addresses.Any(a => a.Address == source) ? StateWriter.HostName : StateWriter.UplinkName);

    private (IpAddress[] Addresses, ushort? Port) Source(string text)
    {
        if (TryEndpoint(text, out IpAddress address, out ushort? port))
        {
            return ([address], port);
        }

        (string name, port) = WithoutPort(text);
        return name == StateWriter.HostName ? ([.. names.Local.Addresses.Select(a => a.Address)], port)
            : names.Writer.Desired.Endpoints.TryGetValue(name, out EndpointSpec? pod) ? ([.. pod.Addresses], port)
            : throw Missing($"from: there is no pod '{name}' on {names.Local.Name}", name, names.Writer.Desired.Endpoints.Keys, "cmesh endpoint list shows its pods; a pod of another node is traced there (--node)");
    }

    private (IpAddress[] Addresses, ushort? Port, IpProtocol? Protocol) Destination(string text, IpAddress[] sources)
    {
        if (TryEndpoint(text, out IpAddress address, out ushort? port))
        {
            return ([address], port, null);
        }

        int slash = text.LastIndexOf('/');
        if (slash > 0 && TryEndpoint(text[..slash], out address, out port) && port is not null)
        {
            return ([address], port, text[(slash + 1)..] is "ANY" or "ANY/i" ? null : Protocol(text[(slash + 1)..]));
        }

        (string name, port) = WithoutPort(text);
        if (names.Writer.Desired.Services.TryGetValue(name, out ServiceSpec? service))
        {
            return FrontendOf(service, port, sources);
        }

        // A service's name may itself end in a colon and its port's name.
        if (names.Writer.Desired.Services.TryGetValue(text, out service))
        {
            return FrontendOf(service, null, sources);
        }

        if (names.Writer.Desired.Endpoints.TryGetValue(name, out EndpointSpec? pod))
        {
            return ([.. pod.Addresses], port, null);
        }

        ServiceSpec? ofPort = names.Writer.Desired.Services.Values.Where(s => s.Name.StartsWith(name + ":", StringComparison.Ordinal)).OrderBy(s => s.Name, StringComparer.Ordinal).FirstOrDefault();
        return ofPort is not null
            ? FrontendOf(ofPort, port, sources)
            : throw Missing(
                $"to: there is no service or pod '{name}' on {names.Local.Name}", name, names.Writer.Desired.Services.Keys.Concat(names.Writer.Desired.Endpoints.Keys),
                "cmesh service list shows its services: name and namespace must be the same in every cluster");
    }

    /// <summary>The service's place for such a client: from inside the first, from outside one that the network may ask.</summary>
    private (IpAddress[] Addresses, ushort? Port, IpProtocol? Protocol) FrontendOf(ServiceSpec service, ushort? port, IpAddress[] sources)
    {
        bool isOutside = sources.All(a => PortOf(a) == StateWriter.UplinkName);
        Frontend[] fitting = [.. names.Writer.FrontendsOf(service.Name).Where(f => !f.Address.IsUnspecified && sources.Any(a => a.IsIpv4 == f.Address.IsIpv4) && (port is null || f.Port == port))];
        Frontend? chosen = fitting.FirstOrDefault(f => !isOutside || f.IsRoutable) ?? fitting.FirstOrDefault();
        return chosen is not null
            ? ([chosen.Address], chosen.Port, chosen.Protocol == ServiceTable.AnyProtocol ? null : chosen.Protocol)
            : throw new ControlException(ErrorCode.NotFound, $"to: service {service.Name} has no frontend{(port is null ? "" : string.Create(CultureInfo.InvariantCulture, $" with port {port}"))} of the source's family on this node; cmesh service list shows those that are");
    }

    private static bool TryEndpoint(string text, out IpAddress address, out ushort? port)
    {
        port = null;
        if (IpAddress.TryParse(text, out address))
        {
            return true;
        }

        int colon = text.LastIndexOf(':');
        string host = colon < 0 ? text : text[..colon];
        bool isBracketed = host.StartsWith('[') && host.EndsWith(']');
        if (text.StartsWith('[') && text.EndsWith(']') && IpAddress.TryParse(text[1..^1], out address))
        {
            return true;
        }

        if (colon < 0 || !IpAddress.TryParse(isBracketed ? host[1..^1] : host, out address) || address.IsIpv4 == isBracketed
            || !ushort.TryParse(text.AsSpan(colon + 1), NumberStyles.None, CultureInfo.InvariantCulture, out ushort number))
        {
            return false;
        }

        port = number;
        return true;
    }

    /// <summary>default/curl-pod:40000 in its parts.</summary>
    private static (string Name, ushort? Port) WithoutPort(string text)
    {
        int colon = text.LastIndexOf(':');
        return colon > 0 && ushort.TryParse(text.AsSpan(colon + 1), NumberStyles.None, CultureInfo.InvariantCulture, out ushort port) ? (text[..colon], port) : (text, null);
    }

    private static IpProtocol Protocol(string name) => name.ToUpperInvariant() switch
    {
        "TCP" => IpProtocol.Tcp,
        "UDP" => IpProtocol.Udp,
        "SCTP" => IpProtocol.Sctp,
        "ICMP" or "ICMPV6" => IpProtocol.Icmp,
        _ => throw Bad($"protocol: '{name}' is none; use tcp, udp, sctp or icmp"),
    };

    private static ControlException Missing(string what, string name, IEnumerable<string> known, string advice)
    {
        string last = name[(name.LastIndexOf('/') + 1)..];
        string[] near = [.. known.Where(k => k.EndsWith("/" + last, StringComparison.Ordinal) || k.Contains(last, StringComparison.OrdinalIgnoreCase) || last.Contains(k[(k.LastIndexOf('/') + 1)..], StringComparison.OrdinalIgnoreCase)).Order(StringComparer.Ordinal).Take(3)];
        return new ControlException(ErrorCode.NotFound, $"{what}{(near.Length == 0 ? "" : $", but {string.Join(", ", near)}")}; {advice}");
    }

    private static ControlException Bad(string message) => new(ErrorCode.InvalidParams, message);
}
