namespace ClusterMesh.Datapath.Mesh.Objects;

/// <summary>A rule of a policy.</summary>
public sealed record PolicyRuleObject
{
    public bool IsIngress { get; set; }

    public bool IsDeny { get; set; }

    /// <summary>Null for everybody, empty for nobody.</summary>
    public IReadOnlyList<PolicyPeerObject>? Peers { get; set; }

    /// <summary>Null for all.</summary>
    public IReadOnlyList<PolicyPortObject>? Ports { get; set; }

    /// <summary>Where it was written: web.yaml:12: spec.ingress[0].</summary>
    public string Source { get; set; } = "";
}
