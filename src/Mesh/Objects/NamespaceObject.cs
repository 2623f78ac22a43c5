namespace ClusterMesh.Datapath.Mesh.Objects;

/// <summary>A namespace: its labels are part of its pods' identities, so that policies can select pods by them.</summary>
public sealed record NamespaceObject(string Name)
{
    public IReadOnlyDictionary<string, string> Labels { get; set; } = new Dictionary<string, string>();

    public string Key => Name;
}
