namespace ClusterMesh.Datapath.Mesh.Objects;

/// <summary>A pod of the own cluster.</summary>
public sealed record PodObject(string Namespace, string Name)
{
    public IReadOnlyDictionary<string, string> Labels { get; set; } = new Dictionary<string, string>();

    public string NodeName { get; set; } = "";

    public IReadOnlyList<string> Ips { get; set; } = [];

    public string ServiceAccount { get; set; } = "default";

    public bool Ready { get; set; } = true;

    public IReadOnlyList<SlicePortObject> Ports { get; set; } = [];

    public string Key => $"{Namespace}/{Name}";
}
