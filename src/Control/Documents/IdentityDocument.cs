namespace ClusterMesh.Datapath.Control.Documents;

/// <summary>What a security identity stands for; the number is its name.</summary>
public sealed record IdentityDocument
{
    /// <summary>256 to 16,777,215; those below mean the same everywhere.</summary>
    public int Id { get; set; }

    /// <summary>With their source: k8s:app=webpod.</summary>
    public IReadOnlyList<string> Labels { get; set; } = [];
}
