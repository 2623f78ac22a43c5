using ClusterMesh.Datapath.Control.Documents;
using ClusterMesh.Datapath.Pipeline;
using ClusterMesh.Datapath.State;
using ClusterMesh.Datapath.State.Desired;

namespace ClusterMesh.Datapath.Configuration;

/// <summary>One service of the effective configuration. What is at its default, of the many that a service has, is left out.</summary>
internal static class ServiceWriter
{
    public static ServiceDocument Write(ServiceSpec service) => new()
    {
        Name = service.Name,
        Protocol = ServiceNames.Of(service.Protocol),
        Annotations = service.Annotations.Count == 0 ? null : new OrderedDictionary<string, string>(service.Annotations),
        Headless = service.Frontends.Count == 0,
        SessionAffinity = service.AffinitySeconds > 0 ? "ClientIP" : null,
        SessionAffinityTimeoutSeconds = service.AffinitySeconds > 0 ? (int)service.AffinitySeconds : null,
        ExternalTrafficPolicy = service.IsExternalLocal ? "Local" : null,
        InternalTrafficPolicy = service.IsInternalLocal ? "Local" : null,
        LoadBalancerSourceRanges = service.SourceRanges.Count == 0 ? null : [.. service.SourceRanges.Select(r => r.ToString())],
        TrafficDistribution = service.UsesTopology && !ServiceAnnotations.UseTopology(service.Annotations) ? "PreferClose" : null,
        Frontends = [.. service.Frontends.Select(f => new FrontendDocument { Type = f.Type.ToString(), Address = f.Address?.ToString(), Port = f.Port })],
        Backends = [.. service.Backends.Select(Backend)],
    };

    private static BackendDocument Backend(BackendSpec backend) => new()
    {
        Address = backend.Address.ToString(),
        Port = backend.Port,
        Cluster = backend.Cluster,
        Node = backend.Node.Length == 0 ? null : backend.Node,
        State = backend.State == BackendState.Active ? null : ServiceNames.Of(backend.State),
        Weight = backend.Weight == BackendSpec.DefaultWeight ? null : backend.Weight,
        ForZones = backend.ForZones.Length == 0 ? null : backend.ForZones.Split(','),
    };
}
