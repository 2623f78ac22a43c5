using ClusterMesh.Datapath.Configuration;
using ClusterMesh.Datapath.Mesh.Objects;
using ClusterMesh.Datapath.Mesh.Schema;
using ClusterMesh.Datapath.State;
using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.Agent;

/// <summary>
/// Kubernetes manifests -> objects. Of a service every field is known, of a pod or deployment those that mean something here; what only a
/// kubelet would use is passed over. The first mistake refuses the file, with its line and field.
/// </summary>
internal static class ManifestReader
{
    private const string DefaultNamespace = "default";

    /// <summary>The objects of a file, each a <see cref="ServiceObject"/>, <see cref="PodObject"/> and so on, in the order of the text.</summary>
    /// <exception cref="ConfigurationException">The first mistake, in one sentence.</exception>
    public static IReadOnlyList<object> Read(string file, string text)
    {
        List<object> objects = [];
        foreach (YamlNode document in YamlLoader.LoadAll(file, text))
        {
            // An empty document stands between two "---".
            if (document.Resolved is not YamlScalar { IsNull: true })
            {
                ReadObject(new YamlField(file, document, "", document.Line), objects);
            }
        }

        return objects.Count > 0 ? objects : throw new ConfigurationException($"{file}: there is no object in it");
    }

    private static void ReadObject(YamlField root, List<object> objects)
    {
        YamlField kind = root.Need("kind");
        if (kind.Text() == "List")
        {
            foreach (YamlField item in root.Need("items").Items())
            {
                ReadObject(item, objects);
            }

            return;
        }

        YamlField metadata = root.Need("metadata");
        string name = metadata.Need("name").Checked(NameMistake);
        string @namespace = metadata["namespace"]?.Checked(NameMistake) ?? DefaultNamespace;
        objects.Add(kind.Text() switch
        {
            "Service" => ReadService(root.Only("apiVersion", "kind", "metadata", "spec", "status"), metadata, @namespace, name),
            "EndpointSlice" => ReadSlice(root, metadata, @namespace, name),
            "Pod" => ReadPod(root, metadata, @namespace, name),
            "Deployment" => ReadDeployment(root, @namespace, name),
            "Node" => ReadNode(root, metadata, name),
            "ConfigMap" => new ConfigMapObject(@namespace, name) { Data = root["data"]?.TextMap() ?? new Dictionary<string, string>() },
            "Namespace" => new NamespaceObject(name) { Labels = MapOf(metadata, "labels") },
            "NetworkPolicy" => NetworkPolicyReader.Read(root, @namespace, name),
            "CiliumNetworkPolicy" => CiliumPolicyReader.Read(root, "CiliumNetworkPolicy", @namespace, name),
            "CiliumClusterwideNetworkPolicy" => CiliumPolicyReader.Read(root, "CiliumClusterwideNetworkPolicy", "", name),
            string other => throw kind.Refuse(
                $"'{other}' is not taken here; Service, EndpointSlice, Pod, Deployment, Node, ConfigMap, Namespace, NetworkPolicy, CiliumNetworkPolicy, CiliumClusterwideNetworkPolicy and List are"),
        });
    }

    private static ServiceObject ReadService(YamlField root, YamlField metadata, string @namespace, string name)
    {
        YamlField spec = root.Need("spec").Only(
            "type", "clusterIP", "clusterIPs", "ports", "selector", "sessionAffinity", "sessionAffinityConfig", "externalTrafficPolicy", "internalTrafficPolicy",
            "ipFamilies", "ipFamilyPolicy", "externalIPs", "loadBalancerIP", "loadBalancerClass", "loadBalancerSourceRanges", "allocateLoadBalancerNodePorts",
            "healthCheckNodePort", "publishNotReadyAddresses", "trafficDistribution", "externalName");
        List<string> addresses = [.. spec["clusterIPs"]?.Items().Select(i => i.Checked(ClusterIpMistake)) ?? []];
        if (spec["clusterIP"] is YamlField first && !addresses.Contains(first.Checked(ClusterIpMistake)))
        {
            addresses.Insert(0, first.Text());
        }

        addresses.RemoveAll(a => a is "None" or "");
        List<ServicePortObject> ports = [.. spec["ports"]?.Items().Select(ReadServicePort) ?? []];
        if (ports.Count == 0 && addresses.Count > 0)
        {
            throw spec.Refuse("'ports' is missing");
        }

        if (ports.GroupBy(p => p.Name).FirstOrDefault(g => g.Count() > 1) is { } twice)
        {
            throw spec.Need("ports").Refuse(twice.Key.Length == 0 ? "several ports need a name each" : $"two ports are named '{twice.Key}'");
        }

        return new ServiceObject(@namespace, name)
        {
            Labels = MapOf(metadata, "labels"),
            Annotations = MapOf(metadata, "annotations"),
            Selector = MapOf(spec, "selector"),
            Type = spec["type"]?.OneOf("ClusterIP", "NodePort", "LoadBalancer") ?? "ClusterIP",
            ClusterIps = addresses,
            Ports = ports,
            LoadBalancerIps =
            [
                .. (spec["loadBalancerIP"] is YamlField given ? [given.Checked(AddressMistake)] : (string[])[])
                    .Concat(root["status"]?["loadBalancer"]?["ingress"]?.Items().Select(i => i["ip"]).OfType<YamlField>().Select(i => i.Checked(AddressMistake)) ?? []).Distinct(),
            ],
            ExternalIps = [.. spec["externalIPs"]?.Items().Select(i => i.Checked(AddressMistake)) ?? []],
            LoadBalancerSourceRanges = [.. spec["loadBalancerSourceRanges"]?.Items().Select(i => i.Checked(CidrMistake)) ?? []],
            SessionAffinity = spec["sessionAffinity"]?.OneOf("None", "ClientIP") is "ClientIP" ? "ClientIP" : "",
            SessionAffinitySeconds = spec["sessionAffinityConfig"]?["clientIP"]?["timeoutSeconds"]?.Number(1, 86_400) ?? 0,
            ExternalTrafficPolicy = spec["externalTrafficPolicy"]?.OneOf("Cluster", "Local") ?? "",
            InternalTrafficPolicy = spec["internalTrafficPolicy"]?.OneOf("Cluster", "Local") ?? "",
            TrafficDistribution = spec["trafficDistribution"]?.OneOf("PreferClose") ?? "",
        };
    }

    private static ServicePortObject ReadServicePort(YamlField port)
    {
        port.Only("name", "protocol", "port", "targetPort", "nodePort", "appProtocol");
        return new ServicePortObject(port["name"]?.Text() ?? "", ProtocolOf(port), port.Need("port").Number(1, 65535))
        {
            TargetPort = port["targetPort"]?.Text() ?? "",
            NodePort = port["nodePort"]?.Number(0, 65535) ?? 0,
        };
    }

    private static EndpointSliceObject ReadSlice(YamlField root, YamlField metadata, string @namespace, string name)
    {
        root.Only("apiVersion", "kind", "metadata", "addressType", "endpoints", "ports");
        return new EndpointSliceObject(@namespace, name)
        {
            Service = MapOf(metadata, "labels").GetValueOrDefault("kubernetes.io/service-name")
                ?? throw metadata.Refuse("label kubernetes.io/service-name is missing; it names the service"),
            Ports = [.. root["ports"]?.Items().Select(p => new SlicePortObject(p["name"]?.Text() ?? "", ProtocolOf(p), p.Need("port").Number(1, 65535))) ?? []],
            Endpoints = [.. root["endpoints"]?.Items().Select(ReadEndpoint) ?? []],
        };
    }

    private static SliceEndpointObject ReadEndpoint(YamlField endpoint)
    {
        endpoint.Only("addresses", "conditions", "hostname", "nodeName", "zone", "hints", "targetRef", "deprecatedTopology");
        YamlField? conditions = endpoint["conditions"]?.Only("ready", "serving", "terminating");
        bool ready = conditions?["ready"]?.Flag() ?? true;
        return new SliceEndpointObject([.. endpoint.Need("addresses").Items().Select(a => a.Checked(AddressMistake))])
        {
            Ready = ready,
            Serving = conditions?["serving"]?.Flag() ?? ready,
            Terminating = conditions?["terminating"]?.Flag() ?? false,
            NodeName = endpoint["nodeName"]?.Text() ?? "",
            Hostname = endpoint["hostname"]?.Text() ?? "",
            Zone = endpoint["zone"]?.Text() ?? "",
            ForZones = [.. endpoint["hints"]?["forZones"]?.Items().Select(z => z.Need("name").Text()) ?? []],
        };
    }

    private static PodObject ReadPod(YamlField root, YamlField metadata, string @namespace, string name)
    {
        root.Only("apiVersion", "kind", "metadata", "spec", "status");
        YamlField? spec = root["spec"];
        YamlField? status = root["status"];
        List<string> ips = [.. status?["podIPs"]?.Items().Select(i => i.Need("ip").Checked(AddressMistake)) ?? []];
        if (status?["podIP"] is YamlField ip && !ips.Contains(ip.Checked(AddressMistake)))
        {
            ips.Insert(0, ip.Text());
        }

        YamlField? ready = status?["conditions"]?.Items().FirstOrDefault(c => c.Need("type").Text() == "Ready");
        return new PodObject(@namespace, name)
        {
            Labels = MapOf(metadata, "labels"),
            NodeName = spec?["nodeName"]?.Text() ?? "",
            ServiceAccount = spec?["serviceAccountName"]?.Text() ?? "default",
            Ips = ips,
            Ready = ready is null || ready.Need("status").Text() == "True",
            Ports = [.. from container in spec?["containers"]?.Items() ?? []
                        from port in container["ports"]?.Items() ?? []
                        select new SlicePortObject(port["name"]?.Text() ?? "", ProtocolOf(port), port.Need("containerPort").Number(1, 65535))],
        };
    }

    private static DeploymentObject ReadDeployment(YamlField root, string @namespace, string name)
    {
        root.Only("apiVersion", "kind", "metadata", "spec", "status");
        YamlField spec = root.Need("spec");
        return new DeploymentObject(@namespace, name)
        {
            Replicas = spec["replicas"]?.Number(0, 100_000) ?? 1,
            Selector = spec.Need("selector").Need("matchLabels").TextMap(),
        };
    }

    private static NodeObject ReadNode(YamlField root, YamlField metadata, string name)
    {
        root.Only("apiVersion", "kind", "metadata", "spec", "status");
        List<string> cidrs = [.. root["spec"]?["podCIDRs"]?.Items().Select(c => c.Checked(CidrMistake)) ?? []];
        if (root["spec"]?["podCIDR"] is YamlField cidr && !cidrs.Contains(cidr.Checked(CidrMistake)))
        {
            cidrs.Insert(0, cidr.Text());
        }

        return new NodeObject(name)
        {
            Labels = MapOf(metadata, "labels"),
            PodCidrs = cidrs,
            Addresses = [.. root["status"]?["addresses"]?.Items().Select(a => new NodeAddress(a.Need("type").Text(), a.Need("address").Text())) ?? []],
        };
    }

    private static IReadOnlyDictionary<string, string> MapOf(YamlField parent, string name) => parent[name]?.TextMap() ?? new Dictionary<string, string>();

    private static string ProtocolOf(YamlField port) => port["protocol"]?.OneOf("TCP", "UDP", "SCTP") ?? "TCP";

    private static string? NameMistake(string name) =>
        name.Length is > 0 and <= 253 && name.All(c => char.IsAsciiLetterLower(c) || char.IsAsciiDigit(c) || c is '-' or '.') && char.IsAsciiLetterOrDigit(name[0])
            ? null
            : $"'{name}' is no name; lower-case letters, digits, '-' and '.' are allowed, at most 253";

    private static string? AddressMistake(string text) => IpAddress.TryParse(text, out _) ? null : $"'{text}' is no IP address";

    private static string? ClusterIpMistake(string text) => text is "None" or "" ? null : AddressMistake(text);

    private static string? CidrMistake(string text) => IpPrefix.TryParse(text, out _) ? null : $"'{text}' is no CIDR";
}
