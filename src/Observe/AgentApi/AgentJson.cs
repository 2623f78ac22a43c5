using System.Globalization;
using System.Text.Encodings.Web;
using System.Text.Json;
using ClusterMesh.Datapath.Observe.Names;
using ClusterMesh.Datapath.Observe.Store;
using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.Observe.AgentApi;

/// <summary>
/// The agent's state in the JSON that Cilium's command line reads (api/v1/openapi.yaml). Written by hand: of each of Cilium's large models only the
/// part that its command line looks at. What is left out must stay out: with an empty kube-proxy-replacement, for one, the command line crashes.
/// </summary>
internal static class AgentJson
{
    // Go's clients do not care; people who read it with curl do.
    private static readonly JsonWriterOptions s_options = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    /// <summary>UTF-8.</summary>
    public static byte[] Write(Action<Utf8JsonWriter> content)
    {
        using MemoryStream stream = new();
        using (Utf8JsonWriter json = new(stream, s_options))
        {
            content(json);
        }

        return stream.ToArray();
    }

    public static void WriteArray<T>(Utf8JsonWriter json, IEnumerable<T> items, Action<Utf8JsonWriter, T> write)
    {
        json.WriteStartArray();
        foreach (T item in items)
        {
            write(json, item);
        }

        json.WriteEndArray();
    }

    public static void WriteStatus(Utf8JsonWriter json, AgentStatus status)
    {
        json.WriteStartObject();
        WriteComponent(json, "cilium", status.Cilium);
        WriteComponent(json, "kvstore", status.Kvstore);
        WriteComponent(json, "kubernetes", status.Kubernetes);
        WriteComponent(json, "container-runtime", status.ContainerRuntime);
        if (status.AddressAllocation.Length > 0)
        {
            json.WriteStartObject("ipam");
            json.WriteString("status", status.AddressAllocation);
            json.WriteStartObject("allocations");
            foreach ((string address, string owner) in status.AllocatedAddresses.OrderBy(pair => pair.Key, StringComparer.Ordinal))
            {
                json.WriteString(address, owner);
            }

            json.WriteEndObject();
            json.WriteEndObject();
        }

        json.WriteStartObject("cluster");
        json.WriteString("self", status.NodeName);
        json.WriteEndObject();
        json.WriteStartObject("cluster-mesh");
        json.WritePropertyName("clusters");
        WriteArray(json, status.RemoteClusters, WriteCluster);
        json.WriteNumber("num-global-services", status.GlobalServiceCount);
        json.WriteEndObject();
        WriteMasquerading(json, status.Masquerading);
        if (status.Flows is { } flows)
        {
            WriteFlows(json, flows);
        }

        json.WriteEndObject();
    }

    public static void WriteService(Utf8JsonWriter json, AgentService service)
    {
        json.WriteStartObject();
        json.WritePropertyName("spec");
        WriteSpec(json, service);
        json.WriteStartObject("status");
        json.WritePropertyName("realized");
        WriteSpec(json, service);
        json.WriteEndObject();
        json.WriteEndObject();
    }

    public static void WriteNodes(Utf8JsonWriter json, IReadOnlyList<AgentNode> nodes)
    {
        json.WriteStartObject();
        json.WritePropertyName("nodes-added");
        WriteArray(json, nodes, WriteNode);
        json.WriteEndObject();
    }

    public static void WriteEndpoint(Utf8JsonWriter json, AgentEndpoint endpoint)
    {
        json.WriteStartObject();
        json.WriteNumber("id", endpoint.Id);
        json.WriteStartObject("status");
        json.WriteString("state", endpoint.State);
        json.WriteStartObject("external-identifiers");
        json.WriteString("k8s-namespace", endpoint.Namespace);
        json.WriteString("k8s-pod-name", endpoint.Pod);
        json.WriteString("pod-name", $"{endpoint.Namespace}/{endpoint.Pod}");
        json.WriteEndObject();
        json.WritePropertyName("identity");
        WriteIdentity(json, endpoint.Identity);
        json.WriteStartObject("labels");
        json.WritePropertyName("security-relevant");
        WriteArray(json, endpoint.Identity.Labels, static (writer, label) => writer.WriteStringValue(label));
        json.WriteEndObject();
        json.WriteStartObject("networking");
        json.WriteStartArray("addressing");
        json.WriteStartObject();
        WriteIfAny(json, "ipv4", endpoint.Ipv4);
        WriteIfAny(json, "ipv6", endpoint.Ipv6);
        json.WriteEndObject();
        json.WriteEndArray();
        json.WriteString("interface-name", endpoint.Interface);
        json.WriteNumber("interface-index", endpoint.InterfaceIndex);
        json.WriteString("mac", endpoint.Mac);
        json.WriteEndObject();
        json.WriteStartObject("policy");
        json.WriteStartObject("realized");
        json.WriteString("policy-enabled", endpoint.PolicyEnforcement);
        json.WriteEndObject();
        json.WriteEndObject();
        json.WriteEndObject();
        json.WriteEndObject();
    }

    public static void WriteIdentity(Utf8JsonWriter json, AgentIdentity identity)
    {
        json.WriteStartObject();
        json.WriteNumber("id", identity.Id);
        json.WritePropertyName("labels");
        WriteArray(json, identity.Labels, static (writer, label) => writer.WriteStringValue(label));
        json.WriteEndObject();
    }

    public static void WriteAddress(Utf8JsonWriter json, AgentAddress address)
    {
        json.WriteStartObject();
        json.WriteString("cidr", address.Prefix);
        json.WriteNumber("identity", address.Identity);
        WriteIfAny(json, "hostIP", address.HostAddress);
        json.WriteNumber("encryptKey", 0);
        json.WriteStartObject("metadata");
        json.WriteString("source", address.Source);
        WriteIfAny(json, "namespace", address.Namespace);
        WriteIfAny(json, "name", address.Pod);
        json.WriteEndObject();
        json.WriteEndObject();
    }

    /// <summary>The one that was asked for; null when there is none. Reserved ones are known without being listed.</summary>
    public static AgentIdentity? Find(IEnumerable<AgentIdentity> identities, string id)
    {
        if (!uint.TryParse(id, NumberStyles.None, CultureInfo.InvariantCulture, out uint number))
        {
            return null;
        }

        return identities.FirstOrDefault(identity => identity.Id == number)
            ?? (ReservedIdentity.LabelsOf(number) is { Count: > 0 } labels ? new(number, labels) : null);
    }

    private static void WriteComponent(Utf8JsonWriter json, string name, ComponentStatus status)
    {
        json.WriteStartObject(name);
        json.WriteString("state", status.State);
        WriteIfAny(json, "msg", status.Message);
        json.WriteEndObject();
    }

    private static void WriteCluster(Utf8JsonWriter json, RemoteCluster cluster)
    {
        json.WriteStartObject();
        json.WriteString("name", cluster.Name);
        json.WriteBoolean("ready", cluster.IsReady);
        json.WriteBoolean("connected", cluster.IsConnected);
        json.WriteNumber("num-nodes", cluster.NodeCount);
        json.WriteNumber("num-endpoints", cluster.EndpointCount);
        json.WriteNumber("num-identities", cluster.IdentityCount);
        json.WriteNumber("num-shared-services", cluster.SharedServiceCount);
        json.WriteNumber("num-service-exports", cluster.ServiceExportCount);
        json.WriteNumber("num-failures", cluster.FailureCount);
        if (cluster.LastFailure is { } last)
        {
            json.WriteString("last-failure", last.ToUniversalTime().ToString("yyyy-MM-ddTHH:mm:ss.fffZ", CultureInfo.InvariantCulture));
        }

        json.WriteString("status", cluster.Status);
        if (cluster.Configuration is { } configuration)
        {
            json.WriteStartObject("config");
            json.WriteBoolean("required", configuration.IsRequired);
            json.WriteBoolean("retrieved", configuration.IsRetrieved);
            json.WriteNumber("cluster-id", configuration.ClusterId);
            json.WriteBoolean("kvstoremesh", configuration.HasKvstoreMesh);
            json.WriteBoolean("sync-canaries", configuration.HasSyncCanaries);
            WriteIfAny(json, "service-exports-enabled", configuration.ServiceExports);
            json.WriteEndObject();
        }

        if (cluster.Synced is { } synced)
        {
            json.WriteStartObject("synced");
            json.WriteBoolean("nodes", synced.Nodes);
            json.WriteBoolean("endpoints", synced.Endpoints);
            json.WriteBoolean("identities", synced.Identities);
            json.WriteBoolean("services", synced.Services);
            WriteIfAny(json, "service-exports", synced.ServiceExports);
            json.WriteEndObject();
        }

        json.WriteEndObject();
    }

    // The object of protocols must be there, even empty: the command line looks into it.
    private static void WriteMasquerading(Utf8JsonWriter json, Masquerading? masquerading)
    {
        json.WriteStartObject("masquerading");
        json.WriteBoolean("enabled", masquerading is not null);
        json.WriteStartObject("enabled-protocols");
        if (masquerading is not null)
        {
            json.WriteBoolean("ipv4", masquerading.Ipv4);
            json.WriteBoolean("ipv6", masquerading.Ipv6);
        }

        json.WriteEndObject();
        if (masquerading is not null)
        {
            json.WriteString("mode", "BPF"); // the only one of Cilium's words that means: not by iptables
            json.WriteBoolean("ip-masq-agent", masquerading.UsesMasqAgent);
            WriteIfAny(json, "snat-exclusion-cidr-v4", masquerading.ExclusionCidr);
        }

        json.WriteEndObject();
    }

    private static void WriteFlows(Utf8JsonWriter json, FlowStoreStatus flows)
    {
        json.WriteStartObject("hubble");
        json.WriteString("state", "Ok");
        json.WriteStartObject("observer");
        json.WriteNumber("current-flows", flows.Count);
        json.WriteNumber("max-flows", flows.Capacity);
        json.WriteNumber("seen-flows", flows.Seen);
        json.WriteString("uptime", string.Create(CultureInfo.InvariantCulture, $"{flows.Uptime.TotalSeconds:0.###}s")); // a duration of Go
        json.WriteEndObject();
        json.WriteEndObject();
    }

    private static void WriteSpec(Utf8JsonWriter json, AgentService service)
    {
        json.WriteStartObject();
        json.WriteNumber("id", service.Id);
        json.WriteStartObject("frontend-address");
        WriteAddress(json, service.Address, service.Port, service.Protocol);
        json.WriteString("scope", service.IsInternal ? "internal" : "external");
        json.WriteEndObject();
        json.WriteStartArray("backend-addresses");
        foreach (AgentBackend backend in service.Backends)
        {
            json.WriteStartObject();
            WriteAddress(json, backend.Address, backend.Port, backend.Protocol);
            json.WriteString("state", backend.State);
            json.WriteBoolean("preferred", backend.IsPreferred);
            WriteIfAny(json, "nodeName", backend.NodeName);
            json.WriteEndObject();
        }

        json.WriteEndArray();
        json.WriteStartObject("flags");
        json.WriteString("type", service.Type);
        json.WriteString("namespace", service.Namespace);
        json.WriteString("name", service.Name);
        WriteIfAny(json, "cluster", service.Cluster);
        json.WriteString("extTrafficPolicy", service.ExternalTrafficPolicy);
        json.WriteString("intTrafficPolicy", service.InternalTrafficPolicy);
        json.WriteEndObject();
        json.WriteEndObject();
    }

    private static void WriteAddress(Utf8JsonWriter json, IpAddress address, ushort port, IpProtocol protocol)
    {
        json.WriteString("ip", address.ToString());
        json.WriteNumber("port", port);
        json.WriteString("protocol", protocol.ToString().ToUpperInvariant());
    }

    private static void WriteNode(Utf8JsonWriter json, AgentNode node)
    {
        json.WriteStartObject();
        json.WriteString("name", node.Name);
        json.WriteStartObject("primary-address");
        WriteFamily(json, "ipv4", node.Ipv4, node.Ipv4PodCidr);
        WriteFamily(json, "ipv6", node.Ipv6, node.Ipv6PodCidr);
        json.WriteEndObject();
        json.WriteString("source", node.Source);
        json.WriteEndObject();
    }

    private static void WriteFamily(Utf8JsonWriter json, string family, string? address, string? podCidr)
    {
        if (address is null && podCidr is null)
        {
            return;
        }

        json.WriteStartObject(family);
        json.WriteBoolean("enabled", true);
        WriteIfAny(json, "ip", address);
        WriteIfAny(json, "alloc-range", podCidr);
        json.WriteEndObject();
    }

    private static void WriteIfAny(Utf8JsonWriter json, string name, string? value)
    {
        if (!string.IsNullOrEmpty(value))
        {
            json.WriteString(name, value);
        }
    }

    private static void WriteIfAny(Utf8JsonWriter json, string name, bool? value)
    {
        if (value is { } known)
        {
            json.WriteBoolean(name, known);
        }
    }
}
