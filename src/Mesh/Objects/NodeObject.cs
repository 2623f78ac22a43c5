using ClusterMesh.Datapath.Mesh.Schema;

namespace ClusterMesh.Datapath.Mesh.Objects;

/// <summary>A node of the own cluster; each agent writes its own.</summary>
public sealed record NodeObject(string Name)
{
    public IReadOnlyList<NodeAddress> Addresses { get; set; } = [];

    public IReadOnlyList<string> PodCidrs { get; set; } = [];

    public IReadOnlyDictionary<string, string> Labels { get; set; } = new Dictionary<string, string>();

    /// <summary>Of the node's health endpoint among its pods; empty when it has none.</summary>
    public string HealthAddress { get; set; } = "";

    /// <summary>Of the machine; tells a restart.</summary>
    public string BootId { get; set; } = "";

    public string Key => Name;
}
