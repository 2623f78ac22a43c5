using System.Globalization;
using ClusterMesh.Datapath.Control.Documents;
using ClusterMesh.Datapath.Pipeline;
using ClusterMesh.Datapath.State.Desired;
using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.Configuration;

/// <summary>One service of a document -> <see cref="ServiceSpec"/>. A service without backends is right: its clients are told so.</summary>
internal static class ServiceTranslator
{
    /// <summary>Kubernetes' default, three hours, and its limit, a day.</summary>
    private const int DefaultAffinitySeconds = 10_800;

    private const int MostAffinitySeconds = 86_400;

    public static ServiceSpec Translate(ServiceDocument document, LocalNodeSpec local, Place place)
    {
        string name = ValueParser.Name(document.Name, place.Field("name"), "default/webpod");
        IpProtocol protocol = Protocol(document.Protocol, place.Field("protocol"));

        IReadOnlyList<FrontendDocument> frontendDocuments = document.Frontends ?? [];
        Place frontendsPlace = place.Field("frontends");
        List<FrontendSpec> frontends = new(frontendDocuments.Count);
        for (int i = 0; i < frontendDocuments.Count; i++)
        {
            frontends.Add(Frontend(frontendDocuments[i], local, frontendsPlace.Item(i)));
        }

        if (frontends.Count == 0 != document.Headless)
        {
            throw frontendsPlace.Refuse(document.Headless
                ? "a headless service has no frontends; remove them, or headless"
                : "a service needs a frontend; add one such as {address: 10.2.0.1, port: 80}, or say headless: true");
        }

        var spec = new ServiceSpec(name, protocol, frontends, BackendTranslator.Translate(document.Backends ?? [], frontends, local, place.Field("backends")), place.Source)
        {
            AffinitySeconds = AffinitySeconds(document, place),
            IsExternalLocal = IsLocal(document.ExternalTrafficPolicy, place.Field("externalTrafficPolicy")),
            IsInternalLocal = IsLocal(document.InternalTrafficPolicy, place.Field("internalTrafficPolicy")),
            SourceRanges = SourceRanges(document.LoadBalancerSourceRanges ?? [], place.Field("loadBalancerSourceRanges")),
            UsesTopology = IsClose(document.TrafficDistribution, place.Field("trafficDistribution")),
        };
        return ServiceAnnotations.Apply(spec, document.Annotations, place.Field("annotations"));
    }

    private static uint AffinitySeconds(ServiceDocument document, Place place)
    {
        Place timeout = place.Field("sessionAffinityTimeoutSeconds");
        switch (document.SessionAffinity)
        {
            case null or "None":
                return document.SessionAffinityTimeoutSeconds is null
                    ? 0u
                    : throw timeout.Refuse("there is no session affinity that it could end; add sessionAffinity: ClientIP or remove it");
            case "ClientIP":
                return (uint)ValueParser.InRange(document.SessionAffinityTimeoutSeconds ?? DefaultAffinitySeconds, 1, MostAffinitySeconds, timeout, "timeout in seconds");
            default:
                throw place.Field("sessionAffinity").Refuse($"{ValueText.Quote(document.SessionAffinity)} is no session affinity; use None or ClientIP");
        }
    }

    private static bool IsLocal(string? policy, Place place) => policy switch
    {
        null or "Cluster" => false,
        "Local" => true,
        _ => throw place.Refuse($"{ValueText.Quote(policy)} is no traffic policy; use Cluster or Local"),
    };

    private static bool IsClose(string? distribution, Place place) => distribution switch
    {
        null => false,
        "PreferClose" => true,
        _ => throw place.Refuse($"{ValueText.Quote(distribution)} is no traffic distribution; use PreferClose or leave it out"),
    };

    private static List<IpPrefix> SourceRanges(IReadOnlyList<string> texts, Place place)
    {
        List<IpPrefix> ranges = new(texts.Count);
        for (int i = 0; i < texts.Count; i++)
        {
            IpPrefix range = ValueParser.LooseCidr(texts[i], place.Item(i));
            if (!ranges.Contains(range))
            {
                ranges.Add(range);
            }
        }

        return ranges;
    }

    private static IpProtocol Protocol(string? text, Place place) => text switch
    {
        null or "TCP" => IpProtocol.Tcp,
        "UDP" => IpProtocol.Udp,
        "SCTP" => IpProtocol.Sctp,
        "ANY" => ServiceTable.AnyProtocol,
        _ => throw place.Refuse($"{ValueText.Quote(text)} is no protocol of services; use TCP, UDP, SCTP or ANY"),
    };

    private static FrontendSpec Frontend(FrontendDocument? document, LocalNodeSpec local, Place place)
    {
        if (document is null)
        {
            throw place.Refuse("the item is empty; give its fields or remove it");
        }

        return document.Type switch
        {
            null or "ClusterIP" => AtAddress(ServiceType.ClusterIP, document, place),
            "LoadBalancer" => AtAddress(ServiceType.LoadBalancer, document, place),
            "ExternalIPs" => AtAddress(ServiceType.ExternalIPs, document, place),
            "HostPort" when !string.IsNullOrEmpty(document.Address) => AtAddress(ServiceType.HostPort, document, place),
            "HostPort" => new FrontendSpec(ServiceType.HostPort, null, ValueParser.Port(document.Port, place.Field("port"))),
            "NodePort" => NodePort(document, local, place),
            _ => throw place.Field("type").Refuse($"{ValueText.Quote(document.Type)} is no type of frontend; use ClusterIP, NodePort, LoadBalancer, ExternalIPs or HostPort"),
        };
    }

    private static FrontendSpec AtAddress(ServiceType type, FrontendDocument document, Place place)
    {
        Place addressPlace = place.Field("address");
        if (string.IsNullOrEmpty(document.Address))
        {
            throw addressPlace.Refuse($"a{(type == ServiceType.ExternalIPs ? "n" : "")} {type} frontend needs an address; add it");
        }

        return new FrontendSpec(type, ValueParser.UnicastAddress(document.Address, addressPlace), ValueParser.Port(document.Port, place.Field("port")));
    }

    private static FrontendSpec NodePort(FrontendDocument document, LocalNodeSpec local, Place place)
    {
        if (!string.IsNullOrEmpty(document.Address))
        {
            throw place.Field("address").Refuse("a NodePort listens on every address of the node; remove the address");
        }

        ushort port = ValueParser.Port(document.Port, place.Field("port"));
        return port >= local.NodePortFirst && port <= local.NodePortLast
            ? new FrontendSpec(ServiceType.NodePort, null, port)
            : throw place.Field("port").Refuse(string.Create(CultureInfo.InvariantCulture,
                $"{port} is outside the node's NodePort range {local.NodePortFirst}-{local.NodePortLast}; use a port from there"));
    }
}
