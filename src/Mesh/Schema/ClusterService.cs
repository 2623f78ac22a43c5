using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.Mesh.Schema;

/// <summary>
/// A global service as its cluster publishes it (Cilium's pkg/clustermesh/store). Lists are in no certain order; writing sorts.
/// </summary>
/// <param name="Backends">Ready ones only; a cluster does not publish others.</param>
/// <param name="Hostnames">By backend address.</param>
/// <param name="Zones">By backend address.</param>
/// <param name="IncludeExternal">The service is global in its cluster.</param>
/// <param name="Shared">Other clusters may use its backends; a record without it counts as a deletion.</param>
public sealed record ClusterService(
    string Cluster,
    string Namespace,
    string Name,
    uint ClusterId,
    IReadOnlyList<ServicePort> Frontends,
    IReadOnlyList<ServicePort> Backends,
    IReadOnlyDictionary<string, string> Hostnames,
    IReadOnlyDictionary<string, ServiceZone> Zones,
    IReadOnlyDictionary<string, string> Labels,
    IReadOnlyDictionary<string, string> Selector,
    bool IncludeExternal,
    bool Shared)
{
    /// <summary>What follows the cluster's prefix in the key: namespace/name.</summary>
    public string Key => $"{Namespace}/{Name}";

    /// <param name="mistake">One sentence, when false is returned.</param>
    public static bool TryRead(ReadOnlySpan<byte> json, out ClusterService? service, out string mistake)
    {
        service = null;
        if (!SchemaJson.TryRead(json, SchemaJson.Default.RawService, out RawService? raw, out mistake))
        {
            return false;
        }

        mistake = raw switch
        {
            { Cluster: null or "" } => "cluster is unset",
            { Namespace: null or "" } => "namespace is unset",
            { Name: null or "" } => "name is unset",
            _ => "",
        };
        if (mistake.Length > 0
            || !TryReadPorts("frontends", raw.Frontends, out List<ServicePort> frontends, out mistake)
            || !TryReadPorts("backends", raw.Backends, out List<ServicePort> backends, out mistake))
        {
            return false;
        }

        Dictionary<string, ServiceZone> zones = [];
        foreach ((string address, RawZone? zone) in raw.Zones ?? [])
        {
            zones[address] = new ServiceZone(zone?.Zone ?? "", [.. (zone?.ForZones ?? []).Select(z => z?.Name ?? "")]);
        }

        service = new ClusterService(
            raw.Cluster!, raw.Namespace!, raw.Name!, raw.ClusterId ?? 0, frontends, backends,
            RecordText.Map(raw.Hostnames), zones, RecordText.Map(raw.Labels), RecordText.Map(raw.Selector), raw.IncludeExternal ?? false, raw.Shared ?? false);
        return true;
    }

    /// <summary>One sentence, or null when the record is what its key and its cluster's configuration promise.</summary>
    /// <param name="key">The key behind the cluster's prefix.</param>
    public string? Check(string key, string cluster, uint clusterId) =>
        Cluster != cluster ? $"cluster is {Shown.Quote(Cluster)}, {Shown.Quote(cluster)} was expected"
        : Key != key ? $"namespace and name {Shown.Quote(Key)} do not match the key {Shown.Quote(key)}"
        : ClusterId != clusterId ? $"clusterID is {ClusterId}, {clusterId} was expected"
        : null;

    public byte[] Write()
    {
        GoJsonWriter json = new GoJsonWriter().Begin()
            .Name("cluster").Text(Cluster).Name("namespace").Text(Namespace).Name("name").Text(Name);
        WritePorts(json.Name("frontends"), Frontends);
        WritePorts(json.Name("backends"), Backends);
        if (Hostnames.Count > 0)
        {
            json.Name("hostnames").Map(Hostnames);
        }

        if (Zones.Count > 0)
        {
            WriteZones(json.Name("zones"));
        }

        return json.Name("labels").Map(Labels).Name("selector").Map(Selector)
            .Name("includeExternal").Flag(IncludeExternal).Name("shared").Flag(Shared).Name("clusterID").Number(ClusterId).End().ToUtf8();
    }

    private static bool TryReadPorts(
        string field, Dictionary<string, Dictionary<string, RawPort?>?>? raw, out List<ServicePort> ports, out string mistake)
    {
        ports = [];
        mistake = "";
        foreach ((string text, Dictionary<string, RawPort?>? named) in raw ?? [])
        {
            if (!IpAddress.TryParse(text, out IpAddress address))
            {
                mistake = $"{field}: {Shown.Quote(text)} is no IP address";
                return false;
            }

            foreach ((string name, RawPort? port) in named ?? [])
            {
                // Kinds of port that no frontend here can have are left out, as a newer cluster may have them.
                if (port is not null && ServicePort.TryParseProtocol(port.Protocol, out IpProtocol protocol))
                {
                    ports.Add(new ServicePort(address, name, protocol, port.Port ?? 0));
                }
            }
        }

        return true;
    }

    private static void WritePorts(GoJsonWriter json, IReadOnlyList<ServicePort> ports)
    {
        json.Begin();
        foreach (IGrouping<string, ServicePort> of in ports.GroupBy(p => p.Address.ToString()).OrderBy(g => g.Key, Utf8Order.Instance))
        {
            json.Name(of.Key).Begin();
            foreach (ServicePort port in of.DistinctBy(p => p.Name).OrderBy(p => p.Name, Utf8Order.Instance))
            {
                json.Name(port.Name).Begin().Name("Protocol").Text(ServicePort.TextOf(port.Protocol) ?? "").Name("Port").Number(port.Port).End();
            }

            json.End();
        }

        json.End();
    }

    private void WriteZones(GoJsonWriter json)
    {
        json.Begin();
        foreach (string address in Zones.Keys.Order(Utf8Order.Instance))
        {
            json.Name(address).Begin().Name("zone").Text(Zones[address].Zone).Name("forZones").Begin('[');
            foreach (string zone in Zones[address].ForZones)
            {
                json.Begin().Name("name").Text(zone).End();
            }

            json.End(']').End();
        }

        json.End();
    }
}
