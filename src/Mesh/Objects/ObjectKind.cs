namespace ClusterMesh.Datapath.Mesh.Objects;

/// <summary>What a cluster has objects of.</summary>
public enum ObjectKind
{
    Service,
    EndpointSlice,
    Pod,
    Deployment,
    Node,
    ConfigMap,
    Namespace,
    NetworkPolicy,
    CiliumNetworkPolicy,
    CiliumClusterwideNetworkPolicy,
}
