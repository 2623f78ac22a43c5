using System.Collections.Immutable;
using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.Mesh.Schema;

/// <summary>A node as its cluster publishes it (Cilium's pkg/node/types).</summary>
public sealed record MeshNode(string Name, string Cluster, uint ClusterId)
{
    public IReadOnlyList<NodeAddress> Addresses { get; init; } = [];

    /// <summary>The pod CIDR of each family, if it has one.</summary>
    public IpPrefix? Ipv4AllocCidr { get; init; }

    public IpPrefix? Ipv6AllocCidr { get; init; }

    public IReadOnlyList<IpPrefix> Ipv4SecondaryAllocCidrs { get; init; } = [];

    public IReadOnlyList<IpPrefix> Ipv6SecondaryAllocCidrs { get; init; } = [];

    /// <summary>Text of an address, or empty; nothing here reads it.</summary>
    public string Ipv4HealthIp { get; init; } = "";

    public string Ipv6HealthIp { get; init; } = "";

    public string Ipv4IngressIp { get; init; } = "";

    public string Ipv6IngressIp { get; init; } = "";

    public string Source { get; init; } = "custom-resource";

    public byte EncryptionKey { get; init; }

    public IReadOnlyDictionary<string, string> Labels { get; init; } = ImmutableDictionary<string, string>.Empty;

    public IReadOnlyDictionary<string, string> Annotations { get; init; } = ImmutableDictionary<string, string>.Empty;

    public uint NodeIdentity { get; init; }

    public string WireguardPubKey { get; init; } = "";

    public string BootId { get; init; } = "";

    /// <summary>All pod CIDRs, of both families.</summary>
    public IEnumerable<IpPrefix> PodCidrs =>
        new[] { Ipv4AllocCidr, Ipv6AllocCidr }.OfType<IpPrefix>().Concat(Ipv4SecondaryAllocCidrs).Concat(Ipv6SecondaryAllocCidrs);

    /// <summary>By which other nodes reach it: its InternalIP of that family, or else its ExternalIP.</summary>
    public IpAddress? NodeIp(bool ipv4) => Find(NodeAddress.InternalIp, ipv4) ?? Find(NodeAddress.ExternalIp, ipv4);

    /// <param name="mistake">One sentence, when false is returned.</param>
    public static bool TryRead(ReadOnlySpan<byte> json, out MeshNode? node, out string mistake)
    {
        node = null;
        if (!SchemaJson.TryRead(json, SchemaJson.Default.RawNode, out RawNode? raw, out mistake))
        {
            return false;
        }

        if (string.IsNullOrEmpty(raw.Name) || string.IsNullOrEmpty(raw.Cluster))
        {
            mistake = string.IsNullOrEmpty(raw.Name) ? "Name is unset" : "Cluster is unset";
            return false;
        }

        foreach (RawAddress? address in raw.IpAddresses ?? [])
        {
            if (address?.Type is NodeAddress.InternalIp or NodeAddress.ExternalIp && !IpAddress.TryParse(address.Ip, out _))
            {
                mistake = $"IPAddresses: {address.Type} {Shown.Quote(address.Ip)} is no IP address";
                return false;
            }
        }

        if (!TryReadCidrs("IPv4AllocCIDR", [raw.Ipv4AllocCidr], true, out List<IpPrefix> ipv4, out mistake)
            || !TryReadCidrs("IPv6AllocCIDR", [raw.Ipv6AllocCidr], false, out List<IpPrefix> ipv6, out mistake)
            || !TryReadCidrs("IPv4SecondaryAllocCIDRs", raw.Ipv4SecondaryAllocCidrs, true, out List<IpPrefix> ipv4Secondary, out mistake)
            || !TryReadCidrs("IPv6SecondaryAllocCIDRs", raw.Ipv6SecondaryAllocCidrs, false, out List<IpPrefix> ipv6Secondary, out mistake))
        {
            return false;
        }

        node = new MeshNode(raw.Name, raw.Cluster, raw.ClusterId ?? 0)
        {
            Addresses = [.. (raw.IpAddresses ?? []).OfType<RawAddress>().Select(a => new NodeAddress(a.Type ?? "", a.Ip ?? ""))],
            Ipv4AllocCidr = ipv4.Count > 0 ? ipv4[0] : null,
            Ipv6AllocCidr = ipv6.Count > 0 ? ipv6[0] : null,
            Ipv4SecondaryAllocCidrs = ipv4Secondary,
            Ipv6SecondaryAllocCidrs = ipv6Secondary,
            Ipv4HealthIp = raw.Ipv4HealthIp ?? "",
            Ipv6HealthIp = raw.Ipv6HealthIp ?? "",
            Ipv4IngressIp = raw.Ipv4IngressIp ?? "",
            Ipv6IngressIp = raw.Ipv6IngressIp ?? "",
            Source = raw.Source ?? "",
            EncryptionKey = raw.EncryptionKey ?? 0,
            Labels = RecordText.Map(raw.Labels),
            Annotations = RecordText.Map(raw.Annotations),
            NodeIdentity = raw.NodeIdentity ?? 0,
            WireguardPubKey = raw.WireguardPubKey ?? "",
            BootId = raw.BootId ?? "",
        };
        return true;
    }

    /// <summary>One sentence, or null when the record is what its key and its cluster's configuration promise.</summary>
    /// <param name="key">The key behind the cluster's prefix: the node's name.</param>
    public string? Check(string key, string cluster, uint clusterId) =>
        Cluster != cluster ? $"Cluster is {Shown.Quote(Cluster)}, {Shown.Quote(cluster)} was expected"
        : Name != key ? $"Name {Shown.Quote(Name)} does not match the key {Shown.Quote(key)}"
        : ClusterId != clusterId ? $"ClusterID is {ClusterId}, {clusterId} was expected"
        : null;

    public byte[] Write()
    {
        GoJsonWriter json = new GoJsonWriter().Begin().Name("Name").Text(Name).Name("Cluster").Text(Cluster).Name("IPAddresses").Begin('[');
        foreach (NodeAddress address in Addresses)
        {
            json.Begin().Name("Type").Text(address.Type).Name("IP").Text(address.Address).End();
        }

        json.End(']');
        RecordText.WriteCidr(json.Name("IPv4AllocCIDR"), Ipv4AllocCidr);
        WriteCidrs(json.Name("IPv4SecondaryAllocCIDRs"), Ipv4SecondaryAllocCidrs);
        RecordText.WriteCidr(json.Name("IPv6AllocCIDR"), Ipv6AllocCidr);
        WriteCidrs(json.Name("IPv6SecondaryAllocCIDRs"), Ipv6SecondaryAllocCidrs);
        return json.Name("IPv4HealthIP").Text(Ipv4HealthIp).Name("IPv6HealthIP").Text(Ipv6HealthIp)
            .Name("IPv4IngressIP").Text(Ipv4IngressIp).Name("IPv6IngressIP").Text(Ipv6IngressIp)
            .Name("ClusterID").Number(ClusterId).Name("Source").Text(Source).Name("EncryptionKey").Number(EncryptionKey)
            .Name("Labels").Map(Labels).Name("Annotations").Map(Annotations)
            .Name("NodeIdentity").Number(NodeIdentity).Name("WireguardPubKey").Text(WireguardPubKey).Name("BootID").Text(BootId).End().ToUtf8();
    }

    private static bool TryReadCidrs(string field, List<RawCidr?>? raw, bool ipv4, out List<IpPrefix> cidrs, out string mistake)
    {
        cidrs = [];
        mistake = "";
        foreach (RawCidr each in (raw ?? []).OfType<RawCidr>())
        {
            if (!RecordText.TryReadCidr(field, each, out IpPrefix cidr, out mistake))
            {
                return false;
            }

            if (cidr.IsIpv4 != ipv4)
            {
                mistake = $"{field}: {cidr} is of the other family";
                return false;
            }

            cidrs.Add(cidr);
        }

        return true;
    }

    private static void WriteCidrs(GoJsonWriter json, IReadOnlyList<IpPrefix> cidrs)
    {
        if (cidrs.Count == 0)
        {
            json.Null();
            return;
        }

        json.Begin('[');
        foreach (IpPrefix cidr in cidrs)
        {
            RecordText.WriteCidr(json, cidr);
        }

        json.End(']');
    }

    private IpAddress? Find(string type, bool ipv4)
    {
        foreach (NodeAddress candidate in Addresses)
        {
            if (candidate.Type == type && IpAddress.TryParse(candidate.Address, out IpAddress address) && address.IsIpv4 == ipv4)
            {
                return address;
            }
        }

        return null;
    }
}
