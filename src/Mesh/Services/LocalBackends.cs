using ClusterMesh.Datapath.Mesh.Objects;
using ClusterMesh.Datapath.Mesh.Schema;
using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.Mesh.Services;

/// <summary>The own cluster's backends of a service: its endpoint slices, and the running pods that its selector finds. Pure.</summary>
public static class LocalBackends
{
    public static IEnumerable<ServiceBackend> Of(ServiceObject service, LocalObjects objects) => FromSlices(service, objects).Concat(FromPods(service, objects));

    private static IEnumerable<ServiceBackend> FromSlices(ServiceObject service, LocalObjects objects) =>
        from slice in objects.SlicesOf(service.Key)
        from endpoint in slice.Endpoints
        from text in endpoint.Addresses
        from port in slice.Ports
        let known = IpAddress.TryParse(text, out IpAddress address) ? address : default(IpAddress?)
        where known is not null && ServicePort.TryParseProtocol(port.Protocol, out _)
        select Make(known.Value, port.Name, port.Protocol, port.Port, StateOf(endpoint), endpoint.NodeName) with
        {
            Hostname = endpoint.Hostname,
            Zone = endpoint.Zone,
            ForZones = endpoint.ForZones,
        };

    private static IEnumerable<ServiceBackend> FromPods(ServiceObject service, LocalObjects objects) =>
        service.Selector.Count == 0
            ? []
            : from pod in objects.RunningPods(service.Namespace)
              where LocalObjects.Matches(service.Selector, pod.Labels)
              from text in pod.Ips
              from port in service.Ports
              let known = IpAddress.TryParse(text, out IpAddress address) ? address : default(IpAddress?)
              let target = TargetOf(port, pod)
              where known is not null && target is not 0 && ServicePort.TryParseProtocol(port.Protocol, out _)
              select Make(known.Value, port.Name, port.Protocol, target, pod.Ready ? BackendState.Active : BackendState.Maintenance, pod.NodeName);

    /// <summary>0 when the pod has no port of that name.</summary>
    private static int TargetOf(ServicePortObject port, PodObject pod) =>
        port.TargetPort.Length == 0 ? port.Port
        : ushort.TryParse(port.TargetPort, out ushort number) ? number
        : pod.Ports.FirstOrDefault(p => p.Name == port.TargetPort && p.Protocol == port.Protocol)?.Port ?? 0;

    private static BackendState StateOf(SliceEndpointObject endpoint) =>
        endpoint.Ready ? BackendState.Active
        : !endpoint.Terminating ? BackendState.Maintenance
        : endpoint.Serving ? BackendState.Terminating
        : BackendState.TerminatingNotServing;

    private static ServiceBackend Make(IpAddress address, string name, string protocol, int port, BackendState state, string node)
    {
        _ = ServicePort.TryParseProtocol(protocol, out IpProtocol known);
        return new ServiceBackend(address, name, known, (ushort)port, state, "", node);
    }
}
