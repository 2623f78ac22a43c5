using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.Mesh.Schema;

/// <summary>Which identity an address has and behind which node it is (Cilium's IPIdentityPair); most of them are pods.</summary>
/// <param name="IsHost">Written as a bare address; a CIDR has its mask written, even one of full length.</param>
/// <param name="HostIp">The node's address; null for what is behind no node.</param>
public sealed record IpIdentity(IpPrefix Prefix, bool IsHost, IpAddress? HostIp, uint Identity)
{
    /// <summary>Encryption key; 0 for none.</summary>
    public byte Key { get; init; }

    public string Metadata { get; init; } = "";

    public string Namespace { get; init; } = "";

    public string PodName { get; init; } = "";

    public string ServiceAccount { get; init; } = "";

    public IReadOnlyList<NamedPort> NamedPorts { get; init; } = [];

    /// <summary>The last part of its key: 10.0.1.105, or 10.9.0.0/24.</summary>
    public string PrefixText => IsHost ? Prefix.Address.ToString() : Prefix.ToString();

    /// <param name="mistake">One sentence, when false is returned.</param>
    public static bool TryRead(ReadOnlySpan<byte> json, out IpIdentity? pair, out string mistake)
    {
        pair = null;
        if (!SchemaJson.TryRead(json, SchemaJson.Default.RawIp, out RawIp? raw, out mistake))
        {
            return false;
        }

        if (!IpAddress.TryParse(raw.Ip, out IpAddress address))
        {
            mistake = $"IP: {Shown.Quote(raw.Ip)} is no IP address";
            return false;
        }

        IpPrefix prefix = IpPrefix.Host(address);
        if (raw.Mask is not null && !RecordText.TryReadMask("Mask", address, raw.Mask, out prefix, out mistake))
        {
            return false;
        }

        IpAddress host = default;
        if (!string.IsNullOrEmpty(raw.HostIp) && !IpAddress.TryParse(raw.HostIp, out host))
        {
            mistake = $"HostIP: {Shown.Quote(raw.HostIp)} is no IP address";
            return false;
        }

        pair = new IpIdentity(prefix, raw.Mask is null, string.IsNullOrEmpty(raw.HostIp) ? null : host, raw.Id ?? 0)
        {
            Key = raw.Key ?? 0,
            Metadata = raw.Metadata ?? "",
            Namespace = raw.K8sNamespace ?? "",
            PodName = raw.K8sPodName ?? "",
            ServiceAccount = raw.K8sServiceAccount ?? "",
            NamedPorts = [.. from port in raw.NamedPorts ?? []
                             where port is not null && ServicePort.TryParseProtocol(port.Protocol, out _)
                             select ToNamed(port)],
        };
        return true;
    }

    /// <summary>One sentence, or null when the record is what its key and its cluster's range of identities promise.</summary>
    /// <param name="key">The key behind the prefix.</param>
    public string? Check(string key, IdentityRange range) =>
        PrefixText != key ? $"IP {Shown.Quote(PrefixText)} does not match the key {Shown.Quote(key)}"
        : Identity >= ReservedIdentity.End && !range.Contains(Identity) ? $"identity {Identity} is not within the cluster's {range}"
        : null;

    /// <summary>As another cluster sees it: what is the host there is a remote node here.</summary>
    public IpIdentity AsRemote() => Identity == ReservedIdentity.Host ? this with { Identity = ReservedIdentity.RemoteNode } : this;

    public byte[] Write()
    {
        GoJsonWriter json = new GoJsonWriter().Begin().Name("IP").Text(Prefix.Address.ToString()).Name("Mask");
        if (IsHost)
        {
            json.Null();
        }
        else
        {
            json.Text(RecordText.MaskText(Prefix));
        }

        json.Name("HostIP").Text(HostIp?.ToString() ?? "").Name("ID").Number(Identity).Name("Key").Number(Key).Name("Metadata").Text(Metadata);
        Set(json, "K8sNamespace", Namespace);
        Set(json, "K8sPodName", PodName);
        Set(json, "K8sServiceAccount", ServiceAccount);
        if (NamedPorts.Count > 0)
        {
            json.Name("NamedPorts").Begin('[');
            foreach (NamedPort port in NamedPorts)
            {
                json.Begin().Name("Name").Text(port.Name).Name("Port").Number(port.Port).Name("Protocol").Text(ServicePort.TextOf(port.Protocol) ?? "").End();
            }

            json.End(']');
        }

        return json.End().ToUtf8();
    }

    private static NamedPort ToNamed(RawPort port)
    {
        _ = ServicePort.TryParseProtocol(port.Protocol, out IpProtocol protocol);
        return new NamedPort(port.Name ?? "", port.Port ?? 0, protocol);
    }

    private static void Set(GoJsonWriter json, string name, string value)
    {
        if (value.Length > 0)
        {
            json.Name(name).Text(value);
        }
    }
}
