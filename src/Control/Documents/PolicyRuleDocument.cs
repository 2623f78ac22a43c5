namespace ClusterMesh.Datapath.Control.Documents;

/// <summary>A rule of a policy: with these peers, at these ports.</summary>
public sealed record PolicyRuleDocument
{
    /// <summary>ingress or egress.</summary>
    public string Direction { get; set; } = "";

    public bool Deny { get; set; }

    /// <summary>Absent for everybody; an empty list is nobody.</summary>
    public IReadOnlyList<PolicyPeerDocument>? Peers { get; set; }

    /// <summary>Absent for all.</summary>
    public IReadOnlyList<PolicyPortDocument>? Ports { get; set; }

    /// <summary>Where it was written; explanations name it.</summary>
    public string? Source { get; set; }
}
