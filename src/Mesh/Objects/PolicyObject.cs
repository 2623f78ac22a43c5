namespace ClusterMesh.Datapath.Mesh.Objects;

/// <summary>A network policy of the own cluster, of Kubernetes' kind or one of Cilium's, brought into one form.</summary>
/// <param name="Kind">NetworkPolicy, CiliumNetworkPolicy or CiliumClusterwideNetworkPolicy.</param>
/// <param name="Namespace">Empty for a clusterwide one.</param>
public sealed record PolicyObject(string Kind, string Namespace, string Name)
{
    /// <summary>Cilium's may have several.</summary>
    public IReadOnlyList<PolicySpecObject> Specs { get; set; } = [];

    public string Key => Namespace.Length > 0 ? $"{Namespace}/{Name}" : Name;
}
