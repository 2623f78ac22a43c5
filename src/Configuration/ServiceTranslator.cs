using System.Globalization;
using ClusterMesh.Datapath.Control.Documents;
using ClusterMesh.Datapath.Pipeline;
using ClusterMesh.Datapath.State.Desired;
using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.Configuration;

/// <summary>One service of a document -> <see cref="ServiceSpec"/>. A service without backends is right: its clients are told so.</summary>
internal static class ServiceTranslator
{
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

        if (frontends.Count == 0)
        {
            throw frontendsPlace.Refuse("a service needs a frontend; add one such as {address: 10.2.0.1, port: 80}");
        }

        return new ServiceSpec(name, protocol, frontends, Backends(document.Backends ?? [], frontends, local, place.Field("backends")), place.Source);
    }

    private static IpProtocol Protocol(string? text, Place place) => text switch
    {
        null or "TCP" => IpProtocol.Tcp,
        "UDP" => IpProtocol.Udp,
        "SCTP" => IpProtocol.Sctp,
        _ => throw place.Refuse($"{ValueText.Quote(text)} is no protocol of services; use TCP, UDP or SCTP"),
    };

    private static FrontendSpec Frontend(FrontendDocument? document, LocalNodeSpec local, Place place)
    {
        if (document is null)
        {
            throw place.Refuse("the item is empty; give its fields or remove it");
        }

        return document.Type switch
        {
            null or "ClusterIP" => ClusterIp(document, place),
            "NodePort" => NodePort(document, local, place),
            _ => throw place.Field("type").Refuse($"{ValueText.Quote(document.Type)} is no type of frontend; use ClusterIP or NodePort"),
        };
    }

    private static FrontendSpec ClusterIp(FrontendDocument document, Place place)
    {
        Place addressPlace = place.Field("address");
        if (string.IsNullOrEmpty(document.Address))
        {
            throw addressPlace.Refuse("a ClusterIP frontend needs an address; add it");
        }

        return new FrontendSpec(
            ServiceType.ClusterIP, ValueParser.UnicastAddress(document.Address, addressPlace), ValueParser.Port(document.Port, place.Field("port")));
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

    private static List<BackendSpec> Backends(
        IReadOnlyList<BackendDocument> documents, List<FrontendSpec> frontends, LocalNodeSpec local, Place place)
    {
        // A NodePort serves the families of the node's addresses; both while the node has none.
        bool hasNodePort = frontends.Exists(f => f.Address is null);
        bool servesIpv4 = frontends.Exists(f => f.Address is { IsIpv4: true }) || (hasNodePort && HasFamily(local, isIpv4: true));
        bool servesIpv6 = frontends.Exists(f => f.Address is { IsIpv4: false }) || (hasNodePort && HasFamily(local, isIpv4: false));

        List<BackendSpec> backends = new(documents.Count);
        HashSet<(IpAddress Address, ushort Port)> seen = new(documents.Count);
        for (int i = 0; i < documents.Count; i++)
        {
            Place item = place.Item(i);
            BackendSpec backend = Backend(documents[i], local, item);
            if (!(backend.Address.IsIpv4 ? servesIpv4 : servesIpv6))
            {
                throw item.Field("address").Refuse(
                    $"{backend.Address} would never be used, as the service has no IPv{(backend.Address.IsIpv4 ? 4 : 6)} frontend; add one or remove the backend");
            }

            if (!seen.Add((backend.Address, backend.Port)))
            {
                throw item.Refuse(string.Create(CultureInfo.InvariantCulture,
                    $"backend {backend.Address} port {backend.Port} is in this service already; keep one"));
            }

            backends.Add(backend);
        }

        return backends;
    }

    private static BackendSpec Backend(BackendDocument? document, LocalNodeSpec local, Place place)
    {
        if (document is null)
        {
            throw place.Refuse("the item is empty; give its fields or remove it");
        }

        return new BackendSpec(
            ValueParser.UnicastAddress(document.Address, place.Field("address")),
            ValueParser.Port(document.Port, place.Field("port")),
            document.Cluster is null ? local.Cluster : ValueParser.ClusterName(document.Cluster, place.Field("cluster")),
            document.Node is null ? "" : ValueParser.NodeName(document.Node, place.Field("node")),
            State(document.State, place.Field("state")));
    }

    private static BackendState State(string? text, Place place) => text switch
    {
        null or "active" => BackendState.Active,
        "terminating" => BackendState.Terminating,
        _ => throw place.Refuse($"{ValueText.Quote(text)} is no backend state; use active or terminating"),
    };

    private static bool HasFamily(LocalNodeSpec local, bool isIpv4) =>
        local.Addresses.Count == 0 || local.Addresses.Any(a => a.Address.IsIpv4 == isIpv4);
}
