namespace ClusterMesh.Datapath.Mesh.Objects;

/// <summary>Settings.</summary>
public sealed record ConfigMapObject(string Namespace, string Name)
{
    public IReadOnlyDictionary<string, string> Data { get; set; } = new Dictionary<string, string>();

    public string Key => $"{Namespace}/{Name}";
}
