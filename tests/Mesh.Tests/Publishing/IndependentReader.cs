using System.Globalization;
using System.Net;
using System.Text;
using System.Text.Json;

namespace ClusterMesh.Datapath.Mesh.Tests.Publishing;

/// <summary>
/// Reads a cluster's whole etcd back by the rules of the format alone: etcd's own client, JSON and what the description says. It uses nothing
/// of the project's reading or writing, so that a mistake that both share shows here. Anything that another cluster could not use is thrown.
/// </summary>
internal sealed class IndependentReader
{
    private static readonly string[] s_kinds = ["identities", "ip", "nodes", "serviceexports", "services"];
    private readonly string _cluster;
    private readonly uint _id;
    private readonly SortedDictionary<string, (string Value, long Revision, long Lease)> _entries = new(StringComparer.Ordinal);
    private readonly HashSet<string> _read = [];

    private IndependentReader(string cluster, uint id) => (_cluster, _id) = (cluster, id);

    /// <summary>node name -> InternalIP and pod CIDR; pod -> address and identity; identity -> labels; service -> frontends and backends.</summary>
    public SortedDictionary<string, string> Found { get; } = new(StringComparer.Ordinal);

    public static async Task<IndependentReader> ReadAsync(string endpoint, string cluster, uint id)
    {
        IndependentReader reader = new(cluster, id);
        using JsonDocument all = JsonDocument.Parse(await EtcdServer.ControlAsync("--endpoints", endpoint, "get", "--prefix", "cilium/", "-w", "json"));
        foreach (JsonElement entry in all.RootElement.GetProperty("kvs").EnumerateArray())
        {
            reader._entries[Text(entry.GetProperty("key").GetString()!)] = (
                entry.TryGetProperty("value", out JsonElement value) ? Text(value.GetString()!) : "",
                entry.GetProperty("mod_revision").GetInt64(), entry.TryGetProperty("lease", out JsonElement lease) ? lease.GetInt64() : 0);
        }

        reader.Check();
        return reader;
    }

    private static string Text(string base64) => new UTF8Encoding(false, true).GetString(Convert.FromBase64String(base64));

    private void Check()
    {
        long config = Config();
        long canaries = s_kinds.Max(Canary);
        Assert.True(config > s_kinds.Min(Canary), "the configuration, which others wait for, is written last");
        Time("cilium/.heartbeat");
        foreach (string key in _entries.Keys.Where(k => k.StartsWith("cilium/state/", StringComparison.Ordinal)))
        {
            Assert.True(_entries[key].Revision < canaries, $"{key} was written behind the canaries");
            switch (key.Split('/'))
            {
                case ["cilium", "state", "nodes", "v1", var cluster, var node]:
                    Node(key, cluster, node);
                    break;
                case ["cilium", "state", "services", "v1", var cluster, var ns, var name]:
                    Service(key, cluster, ns, name);
                    break;
                case ["cilium", "state", "identities", "v1", "id", var number]:
                    Identity(key, number);
                    break;
                case ["cilium", "state", "ip", "v1", "default", .. var address]:
                    Ip(key, string.Join('/', address));
                    break;
            }
        }

        Assert.Equal([], _entries.Keys.Except(_read));
        Assert.All(_entries, e => Assert.True(e.Value.Lease != 0, $"{e.Key} has no lease"));
    }

    private JsonElement Json(string key)
    {
        _read.Add(key);
        return JsonDocument.Parse(_entries[key].Value).RootElement;
    }

    private long Config()
    {
        string key = $"cilium/cluster-config/{_cluster}";
        JsonElement config = Json(key);
        Assert.Equal(_id, config.GetProperty("id").GetUInt32());
        JsonElement capabilities = config.GetProperty("capabilities");
        Assert.True(capabilities.GetProperty("syncedCanaries").GetBoolean());
        Assert.Equal(255, capabilities.GetProperty("maxConnectedClusters").GetInt32());
        Assert.False(capabilities.TryGetProperty("cached", out _));
        return _entries[key].Revision;
    }

    private long Canary(string kind) => Time($"cilium/synced/{_cluster}/cilium/state/{kind}/v1");

    private long Time(string key)
    {
        _read.Add(key);
        Assert.True(DateTimeOffset.TryParseExact(_entries[key].Value, "yyyy-MM-dd'T'HH:mm:ssK", CultureInfo.InvariantCulture, DateTimeStyles.None, out _), $"{key}: {_entries[key].Value}");
        return _entries[key].Revision;
    }

    private void Node(string key, string cluster, string name)
    {
        JsonElement node = Json(key);
        Assert.Equal((_cluster, _cluster, name, _id), (cluster, node.GetProperty("Cluster").GetString()!, node.GetProperty("Name").GetString()!, node.GetProperty("ClusterID").GetUInt32()));
        string address = node.GetProperty("IPAddresses").EnumerateArray().First(a => a.GetProperty("Type").GetString() == "InternalIP").GetProperty("IP").GetString()!;
        Assert.True(IPAddress.TryParse(address, out _));
        JsonElement cidr = node.GetProperty("IPv4AllocCIDR");
        byte[] mask = Convert.FromBase64String(cidr.GetProperty("Mask").GetString()!);
        Assert.Equal(4, mask.Length);
        Assert.Equal(JsonValueKind.Null, node.GetProperty("IPv6AllocCIDR").ValueKind);
        Found[$"node {name}"] = $"{address} {cidr.GetProperty("IP").GetString()}/{mask.Sum(b => int.PopCount(b))}";
    }

    private void Service(string key, string cluster, string ns, string name)
    {
        JsonElement service = Json(key);
        Assert.Equal((_cluster, _cluster, ns, name), (cluster, service.GetProperty("cluster").GetString()!, service.GetProperty("namespace").GetString()!, service.GetProperty("name").GetString()!));
        Assert.Equal(_id, service.GetProperty("clusterID").GetUInt32());
        Assert.True(service.GetProperty("shared").GetBoolean() && service.GetProperty("includeExternal").GetBoolean());
        Found[$"service {ns}/{name}"] = $"{Ports(service.GetProperty("frontends"))} -> {Ports(service.GetProperty("backends"))}";
    }

    private static string Ports(JsonElement map) => string.Join(',', from address in map.EnumerateObject()
                                                                     from port in address.Value.EnumerateObject()
                                                                     let parsed = IPAddress.Parse(address.Name)
                                                                     select $"{parsed}:{port.Value.GetProperty("Port").GetUInt16()}/{port.Value.GetProperty("Protocol").GetString()}");

    private void Identity(string key, string number)
    {
        _read.Add(key);
        uint identity = uint.Parse(number, CultureInfo.InvariantCulture);
        Assert.Equal(_id, identity >> 16);
        string value = _entries[key].Value;
        Assert.EndsWith(";", value);
        string[] labels = value[..^1].Split(';');
        Assert.Equal(labels.Order(StringComparer.Ordinal), labels);
        Assert.Contains($"k8s:io.cilium.k8s.policy.cluster={_cluster}", labels);
        Assert.All(labels, l => Assert.Matches("^[a-z0-9]+:[^=]+=", l));
        Found[$"identity {labels.First(l => l.StartsWith("k8s:app=", StringComparison.Ordinal))}"] = "bound";
    }

    private void Ip(string key, string address)
    {
        JsonElement pair = Json(key);
        Assert.Equal((address, JsonValueKind.Null), (pair.GetProperty("IP").GetString()!, pair.GetProperty("Mask").ValueKind));
        uint identity = pair.GetProperty("ID").GetUInt32();
        Assert.True(_entries.ContainsKey($"cilium/state/identities/v1/id/{identity}"), $"{key}: identity {identity} is not published");
        string host = pair.GetProperty("HostIP").GetString()!;
        Assert.Contains(_entries, e => e.Key.StartsWith($"cilium/state/nodes/v1/{_cluster}/", StringComparison.Ordinal) && e.Value.Value.Contains($"\"IP\":\"{host}\"", StringComparison.Ordinal));
        Found[$"pod {pair.GetProperty("K8sNamespace").GetString()}/{pair.GetProperty("K8sPodName").GetString()}"] = $"{address} behind {host}";
    }
}
