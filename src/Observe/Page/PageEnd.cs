using ClusterMesh.Datapath.Observe.Names;
using ClusterMesh.Datapath.Observe.Store;

namespace ClusterMesh.Datapath.Observe.Page;

/// <summary>One end of a flow on the map: a pod or node of a cluster, a service, or what lies outside the mesh.</summary>
/// <param name="Kind">pod, service, node or world.</param>
internal readonly record struct PageEnd(string Kind, string Cluster, string Namespace, string Name)
{
    public string Id => $"{Kind}:{Cluster}:{Namespace}/{Name}";

    public static PageEnd SourceOf(ObservedFlow flow) => Of(flow.Source, flow.SourceIdentity, flow.Record.Source.ToString());

    /// <summary>A frontend's address is the service's and no pod's.</summary>
    public static PageEnd DestinationOf(ObservedFlow flow) => flow.DestinationService is { } service
        ? new PageEnd("service", flow.Node.Cluster, service.Namespace, service.Name)
        : Of(flow.Destination, flow.DestinationIdentity, flow.Record.Destination.ToString());

    public static PageEnd SourceServiceOf(ObservedFlow flow) => flow.SourceService is { } service
        ? new PageEnd("service", flow.Node.Cluster, service.Namespace, service.Name)
        : SourceOf(flow);

    private static PageEnd Of(EndpointName? name, uint identity, string address)
    {
        if (name?.Pod.Length > 0)
        {
            return new PageEnd("pod", name.Cluster, name.Namespace, name.Pod);
        }

        return name?.Cluster.Length > 0
            ? new PageEnd("node", name.Cluster, "", $"{ReservedIdentity.NameOf(identity) ?? "node"} {address}")
            : new PageEnd("world", "", "", address);
    }
}
