namespace ClusterMesh.Datapath.Mesh.Objects;

/// <summary>How many pods of a selector shall run. Here pods exist as namespaces already: of those that match, so many count as running, in the order of their names.</summary>
public sealed record DeploymentObject(string Namespace, string Name)
{
    public int Replicas { get; set; } = 1;

    public IReadOnlyDictionary<string, string> Selector { get; set; } = new Dictionary<string, string>();

    public string Key => $"{Namespace}/{Name}";
}
