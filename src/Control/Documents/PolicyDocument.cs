namespace ClusterMesh.Datapath.Control.Documents;

/// <summary>Whom some endpoints may hear and speak to.</summary>
public sealed record PolicyDocument
{
    /// <summary>Unique: default/allow-curl.</summary>
    public string Name { get; set; } = "";

    /// <summary>What it was written as; only shown.</summary>
    public string? Kind { get; set; }

    /// <summary>The endpoints it is for, by labels with their source: k8s:app=webpod,k8s:tier in (a,b). Empty for all.</summary>
    public string Selector { get; set; } = "";

    /// <summary>It is for the node's own stack, and the selector for the node's labels.</summary>
    public bool Node { get; set; }

    /// <summary>The endpoints are closed to what no rule lets in.</summary>
    public bool DefaultDenyIngress { get; set; }

    public bool DefaultDenyEgress { get; set; }

    public IReadOnlyList<PolicyRuleDocument> Rules { get; set; } = [];
}
