using System.Globalization;
using ClusterMesh.Datapath.Control.Documents;
using ClusterMesh.Datapath.Pipeline;
using ClusterMesh.Datapath.State;
using ClusterMesh.Datapath.State.Desired;
using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.Configuration;

/// <summary>The backends of one service of a document -> <see cref="BackendSpec"/>s.</summary>
internal static class BackendTranslator
{
    public static List<BackendSpec> Translate(
        IReadOnlyList<BackendDocument> documents, List<FrontendSpec> frontends, LocalNodeSpec local, Place place)
    {
        // Without a frontend nobody's family is asked for. A NodePort serves the families of the node's addresses; both while the node has none.
        bool hasNodePort = frontends.Exists(f => f.Address is null);
        bool isHeadless = frontends.Count == 0;
        bool servesIpv4 = isHeadless || frontends.Exists(f => f.Address is { IsIpv4: true }) || (hasNodePort && HasFamily(local, isIpv4: true));
        bool servesIpv6 = isHeadless || frontends.Exists(f => f.Address is { IsIpv4: false }) || (hasNodePort && HasFamily(local, isIpv4: false));

        List<BackendSpec> backends = new(documents.Count);
        var seen = new BackendPlaces(documents.Count);
        for (int i = 0; i < documents.Count; i++)
        {
            Place item = place.Item(i);
            BackendSpec backend = Backend(documents[i], local, item);
            if (!(backend.Address.IsIpv4 ? servesIpv4 : servesIpv6))
            {
                throw item.Field("address").Refuse(
                    $"{backend.Address} would never be used, as the service has no IPv{(backend.Address.IsIpv4 ? 4 : 6)} frontend; add one or remove the backend");
            }

            if (!seen.Add(backends, backend))
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
            State(document.State, place.Field("state")),
            (ushort)ValueParser.InRange(document.Weight ?? BackendSpec.DefaultWeight, 1, ushort.MaxValue, place.Field("weight"), "weight"),
            Zones(document.ForZones ?? [], place.Field("forZones")));
    }

    private static BackendState State(string? text, Place place)
    {
        BackendState state = BackendState.Active;
        return text is null || ServiceNames.TryParse(text, out state)
            ? state
            : throw place.Refuse($"{ValueText.Quote(text)} is no backend state; use {string.Join(", ", ServiceNames.States)}");
    }

    /// <summary>A zone is the value of a label.</summary>
    private static string Zones(IReadOnlyList<string> zones, Place place)
    {
        for (int i = 0; i < zones.Count; i++)
        {
            if (string.IsNullOrEmpty(zones[i]) || !zones[i].All(c => char.IsAsciiLetterOrDigit(c) || c is '.' or '_' or '-'))
            {
                throw place.Item(i).Refuse($"{ValueText.Quote(zones[i] ?? "")} is no zone; use letters, digits and . _ -");
            }
        }

        return string.Join(',', zones);
    }

    private static bool HasFamily(LocalNodeSpec local, bool isIpv4) =>
        local.Addresses.Count == 0 || local.Addresses.Any(a => a.Address.IsIpv4 == isIpv4);
}
