namespace ClusterMesh.Datapath.Mesh.Objects;

/// <summary>Some endpoints and their rules.</summary>
public sealed record PolicySpecObject
{
    /// <summary>Labels with their source: k8s:app=webpod,k8s:tier in (a,b). Empty for all.</summary>
    public string Subject { get; set; } = "";

    /// <summary>It is for nodes.</summary>
    public bool IsForNode { get; set; }

    public bool DeniesIngress { get; set; }

    public bool DeniesEgress { get; set; }

    public IReadOnlyList<PolicyRuleObject> Rules { get; set; } = [];
}
