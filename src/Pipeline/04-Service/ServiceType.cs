namespace ClusterMesh.Datapath.Pipeline;

/// <summary>Kinds of frontend, as Kubernetes names them.</summary>
public enum ServiceType
{
    ClusterIP,
    NodePort,
}
