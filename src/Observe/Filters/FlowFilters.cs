using System.Text.RegularExpressions;
using ClusterMesh.Datapath.Observe.Hubble.Flows;
using ClusterMesh.Datapath.Observe.Store;
using ClusterMesh.Datapath.Pipeline.Events;
using ClusterMesh.Datapath.Wire;
using Predicate = System.Func<ClusterMesh.Datapath.Observe.Store.ObservedFlow, bool>;

namespace ClusterMesh.Datapath.Observe.Filters;

/// <summary>
/// Hubble's filters, as functions over events: a flow passes when it matches one filter of the white list (or that is empty) and none of
/// the black list. Within a filter every field that is set must match, by one of its values.
/// </summary>
public static class FlowFilters
{
    /// <exception cref="FilterException">A value cannot be understood.</exception>
    public static Predicate Compile(IEnumerable<FlowFilter> whitelist, IEnumerable<FlowFilter> blacklist)
    {
        Predicate[] wanted = [.. whitelist.Select(Compile)];
        Predicate[] unwanted = [.. blacklist.Select(Compile)];
        return flow => (wanted.Length == 0 || Matching.Any(wanted, flow, static (matches, f) => matches(f))) && !Matching.Any(unwanted, flow, static (matches, f) => matches(f));
    }

    /// <exception cref="FilterException">A value cannot be understood.</exception>
    public static Predicate Compile(FlowFilter filter)
    {
        ArgumentNullException.ThrowIfNull(filter);
        List<Predicate> parts = [];
        AddPacket(filter, parts);
        AddEnds(filter, parts);
        AddNodes(filter, parts);
        AddUnseen(filter, parts);
        Predicate[] all = [.. parts];
        return flow => Matching.All(all, flow, static (matches, f) => matches(f));
    }

    private static void AddIf<T>(List<Predicate> parts, ICollection<T> values, Func<ICollection<T>, Predicate> make)
    {
        if (values.Count > 0)
        {
            parts.Add(make(values));
        }
    }

    // What the record alone answers: first, since nothing is looked up.
    private static void AddPacket(FlowFilter filter, List<Predicate> parts)
    {
        AddIf(parts, filter.Verdict, values => flow => values.Contains((Verdict)flow.Record.Verdict));
        AddIf(parts, filter.DropReasonDesc, values => flow => values.Contains((DropReason)flow.Record.DropReason) && flow.Record.DropReason != 0);
        AddIf(parts, filter.EventType, values => EventTypes([.. values]));
        AddIf(parts, filter.TrafficDirection, values => flow => values.Contains((TrafficDirection)flow.Record.Direction));
        AddIf(parts, filter.Reply, values => flow => flow.Record.Reply != FlowReply.Unknown && values.Contains(flow.Record.Reply == FlowReply.Yes));
        AddIf(parts, filter.Protocol, Protocols);
        AddIf(parts, filter.IpVersion, values => flow => values.Contains(!flow.IsIp ? IPVersion.IpNotUsed : flow.Record.Source.IsIpv4 ? IPVersion.Ipv4 : IPVersion.Ipv6));
        AddIf(parts, filter.TcpFlags, values => TcpFlagSets([.. values.Select(FlowMessages.ToFlags)]));
        AddIf(parts, filter.IpTraceId, values => flow => flow.Record.TraceId != 0 && values.Contains(flow.Record.TraceId));
        AddIf(parts, filter.Encrypted, values => _ => values.Contains(false)); // nothing is encrypted
        AddIf(parts, filter.SourcePort, values => EndpointFilters.Ports(values, "source_port", flow => flow.Record.SourcePort));
        AddIf(parts, filter.DestinationPort, values => EndpointFilters.Ports(values, "destination_port", flow => flow.Record.DestinationPort));
        AddIf(parts, filter.SourceIp, values => EndpointFilters.Addresses(values, "source_ip", flow => flow.Record.Source));
        AddIf(parts, filter.SourceIpXlated, values => EndpointFilters.Addresses(values, "source_ip_xlated", flow => flow.Record.TranslatedSource));
        AddIf(parts, filter.DestinationIp, values => EndpointFilters.Addresses(values, "destination_ip", flow => flow.Record.Destination));
    }

    private static void AddEnds(FlowFilter filter, List<Predicate> parts)
    {
        AddIf(parts, filter.SourceIdentity, values => flow => values.Contains(flow.SourceIdentity));
        AddIf(parts, filter.DestinationIdentity, values => flow => values.Contains(flow.DestinationIdentity));
        AddIf(parts, filter.SourcePod, values => EndpointFilters.Names(values, "source_pod", flow => (flow.Source?.Namespace, flow.Source?.Pod)));
        AddIf(parts, filter.DestinationPod, values => EndpointFilters.Names(values, "destination_pod", flow => (flow.Destination?.Namespace, flow.Destination?.Pod)));
        AddIf(parts, filter.SourceService, values => EndpointFilters.Names(values, "source_service", flow => (flow.SourceService?.Namespace, flow.SourceService?.Name)));
        AddIf(parts, filter.DestinationService, values => EndpointFilters.Names(values, "destination_service", flow => (flow.DestinationService?.Namespace, flow.DestinationService?.Name)));
        AddIf(parts, filter.SourceLabel, values => EndpointFilters.Labels(values, flow => flow.SourceLabels));
        AddIf(parts, filter.DestinationLabel, values => EndpointFilters.Labels(values, flow => flow.DestinationLabels));
        AddIf(parts, filter.SourceWorkload, values => EndpointFilters.Workloads(values, flow => flow.Source));
        AddIf(parts, filter.DestinationWorkload, values => EndpointFilters.Workloads(values, flow => flow.Destination));
        AddIf(parts, filter.SourceClusterName, values => EndpointFilters.Clusters(values, "source_cluster_name", flow => flow.Source));
        AddIf(parts, filter.DestinationClusterName, values => EndpointFilters.Clusters(values, "destination_cluster_name", flow => flow.Destination));
        AddIf(parts, filter.SourceFqdn, values => EndpointFilters.HostNames(values, "source_fqdn", flow => flow.Source));
        AddIf(parts, filter.DestinationFqdn, values => EndpointFilters.HostNames(values, "destination_fqdn", flow => flow.Destination));
    }

    private static void AddNodes(FlowFilter filter, List<Predicate> parts)
    {
        AddIf(parts, filter.Uuid, values => flow => values.Contains(flow.Uuid));
        AddIf(parts, filter.Interface, values => Interfaces([.. values]));
        AddIf(parts, filter.NodeLabels, values => EndpointFilters.Labels(values, flow => flow.Node.Labels));
        AddIf(parts, filter.NodeName, values =>
        {
            Func<string, bool>[] patterns = [.. values.Select(NamePattern.OfNode)];
            return flow => Matching.Any(patterns, flow.Node.FullName, static (pattern, name) => pattern(name));
        });
    }

    // Fields about what no flow here has: they match nothing, but a mistake in them is still one.
    private static void AddUnseen(FlowFilter filter, List<Predicate> parts)
    {
        CheckExpressions(filter.DnsQuery, "dns_query");
        CheckExpressions(filter.HttpPath, "http_path");
        CheckExpressions(filter.HttpUrl, "http_url");
        if (filter.Experimental?.CelExpression.Count > 0)
        {
            throw new FilterException("experimental.cel_expression is not supported: say it with the other fields of the filter");
        }

        if (filter.DnsQuery.Count + filter.HttpPath.Count + filter.HttpUrl.Count + filter.HttpMethod.Count + filter.HttpStatusCode.Count + filter.HttpHeader.Count
            + filter.TraceId.Count > 0)
        {
            parts.Add(_ => false);
        }
    }

    private static void CheckExpressions(IEnumerable<string> values, string field)
    {
        foreach (string value in values)
        {
            try
            {
                _ = new Regex(value, RegexOptions.NonBacktracking);
            }
            catch (Exception e) when (e is ArgumentException or NotSupportedException)
            {
                throw new FilterException($"{field} '{value}' is no regular expression: {e.Message}");
            }
        }
    }

    private static Predicate EventTypes(EventTypeFilter[] values) => flow => Matching.Any(values, flow, static (value, f) =>
        (value.Type == 0 || value.Type == (int)f.Record.Kind) && (!value.MatchSubType || value.SubType == FlowMessages.SubTypeOf(f.Record)));

    private static Predicate Interfaces(NetworkInterface[] values) => flow => Matching.Any(values, flow, static (value, f) =>
        (value.Index == 0 || value.Index == f.Record.Interface) && (value.Name.Length == 0 || value.Name == f.InterfaceName));

    private static Predicate TcpFlagSets(TcpFlags[] values) => flow =>
        flow.Record.Protocol == IpProtocol.Tcp && Matching.Any(values, flow.Record.TcpFlags, static (value, flags) => (flags & value) == value);

    private static Predicate Protocols(ICollection<string> values)
    {
        HashSet<IpProtocol> wanted = [];
        foreach (string value in values)
        {
            wanted.UnionWith(value.ToLowerInvariant() switch
            {
                "tcp" => [IpProtocol.Tcp],
                "udp" => [IpProtocol.Udp],
                "sctp" => [IpProtocol.Sctp],
                "icmp" => [IpProtocol.Icmp, IpProtocol.Icmpv6],
                "icmpv4" => [IpProtocol.Icmp],
                "icmpv6" => [IpProtocol.Icmpv6],
                "dns" or "http" or "kafka" => [], // no flow here has layer 7
                _ => throw new FilterException($"protocol '{value}' is none of tcp, udp, sctp, icmp, icmpv4, icmpv6, dns, http, kafka"),
            });
        }

        return flow => flow.IsIp && wanted.Contains(flow.Record.Protocol);
    }
}
