using System.Diagnostics.CodeAnalysis;
using System.Text.Json;
using System.Text.Json.Serialization;
using System.Text.Json.Serialization.Metadata;
using System.Text.Unicode;

namespace ClusterMesh.Datapath.Mesh.Schema;

/// <summary>
/// Reads records as Go's encoding/json does: names in any letter case, unknown fields passed over, null for whatever is absent. The raw
/// shapes below are only for reading; writing is <see cref="GoJsonWriter"/>'s.
/// </summary>
[JsonSourceGenerationOptions(PropertyNameCaseInsensitive = true, MaxDepth = 32, GenerationMode = JsonSourceGenerationMode.Metadata)]
[JsonSerializable(typeof(RawClusterConfig))]
[JsonSerializable(typeof(RawService))]
[JsonSerializable(typeof(RawNode))]
[JsonSerializable(typeof(RawIp))]
internal sealed partial class SchemaJson : JsonSerializerContext
{
    /// <summary>etcd takes no larger request unless told to; a record beyond it is not read.</summary>
    public const int ValueLengthLimit = 1536 * 1024;

    public static bool TryRead<T>(ReadOnlySpan<byte> json, JsonTypeInfo<T> shape, [NotNullWhen(true)] out T? value, out string mistake)
        where T : class
    {
        value = null;
        mistake = "";
        if (json.Length > ValueLengthLimit)
        {
            mistake = $"the value has {json.Length} bytes, more than {ValueLengthLimit}";
            return false;
        }

        if (!Utf8.IsValid(json))
        {
            mistake = "the value is not UTF-8";
            return false;
        }

        try
        {
            value = JsonSerializer.Deserialize(json, shape);
            mistake = value is null ? "the value is null" : "";
            return value is not null;
        }
        catch (JsonException fault)
        {
            mistake = fault.Path is { Length: > 2 } path && !fault.Message.Contains("invalid", StringComparison.Ordinal)
                ? $"{Shown.Quote(path[2..])} has a value of the wrong shape"
                : "the value is not valid JSON";
        }
        catch (InvalidOperationException)
        {
            // What the library throws for an escape that is half of a surrogate pair.
            mistake = "the value holds text that is not Unicode";
        }

        return false;
    }
}

internal sealed class RawClusterConfig
{
    public uint? Id { get; set; }

    public RawCapabilities? Capabilities { get; set; }
}

internal sealed class RawCapabilities
{
    public bool? SyncedCanaries { get; set; }

    public int? MaxConnectedClusters { get; set; }

    public bool? ServiceExportsEnabled { get; set; }

    public bool? Cached { get; set; }
}

internal sealed class RawPort
{
    public string? Name { get; set; }

    public string? Protocol { get; set; }

    public ushort? Port { get; set; }
}

internal sealed class RawZone
{
    public string? Zone { get; set; }

    public List<RawForZone?>? ForZones { get; set; }
}

internal sealed class RawForZone
{
    public string? Name { get; set; }
}

internal sealed class RawService
{
    public string? Cluster { get; set; }

    public string? Namespace { get; set; }

    public string? Name { get; set; }

    public Dictionary<string, Dictionary<string, RawPort?>?>? Frontends { get; set; }

    public Dictionary<string, Dictionary<string, RawPort?>?>? Backends { get; set; }

    public Dictionary<string, string?>? Hostnames { get; set; }

    public Dictionary<string, RawZone?>? Zones { get; set; }

    public Dictionary<string, string?>? Labels { get; set; }

    public Dictionary<string, string?>? Selector { get; set; }

    public bool? IncludeExternal { get; set; }

    public bool? Shared { get; set; }

    public uint? ClusterId { get; set; }
}

internal sealed class RawAddress
{
    public string? Type { get; set; }

    public string? Ip { get; set; }
}

internal sealed class RawCidr
{
    public string? Ip { get; set; }

    /// <summary>Base64 of the mask's bytes. Text, not bytes: bad base64 then has its own sentence.</summary>
    public string? Mask { get; set; }
}

internal sealed class RawNode
{
    public string? Name { get; set; }

    public string? Cluster { get; set; }

    public List<RawAddress?>? IpAddresses { get; set; }

    public RawCidr? Ipv4AllocCidr { get; set; }

    public List<RawCidr?>? Ipv4SecondaryAllocCidrs { get; set; }

    public RawCidr? Ipv6AllocCidr { get; set; }

    public List<RawCidr?>? Ipv6SecondaryAllocCidrs { get; set; }

    public string? Ipv4HealthIp { get; set; }

    public string? Ipv6HealthIp { get; set; }

    public string? Ipv4IngressIp { get; set; }

    public string? Ipv6IngressIp { get; set; }

    public uint? ClusterId { get; set; }

    public string? Source { get; set; }

    public byte? EncryptionKey { get; set; }

    public Dictionary<string, string?>? Labels { get; set; }

    public Dictionary<string, string?>? Annotations { get; set; }

    public uint? NodeIdentity { get; set; }

    public string? WireguardPubKey { get; set; }

    public string? BootId { get; set; }
}

internal sealed class RawIp
{
    public string? Ip { get; set; }

    public string? Mask { get; set; }

    public string? HostIp { get; set; }

    public uint? Id { get; set; }

    public byte? Key { get; set; }

    public string? Metadata { get; set; }

    public string? K8sNamespace { get; set; }

    public string? K8sPodName { get; set; }

    public string? K8sServiceAccount { get; set; }

    public List<RawPort?>? NamedPorts { get; set; }
}
