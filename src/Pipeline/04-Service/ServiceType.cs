namespace ClusterMesh.Datapath.Pipeline;

/// <summary>Kinds of frontend, as Cilium names them.</summary>
public enum ServiceType
{
    ClusterIP,
    NodePort,
    LoadBalancer,
    ExternalIPs,
    HostPort,
}
