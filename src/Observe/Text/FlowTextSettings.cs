namespace ClusterMesh.Datapath.Observe.Text;

/// <summary>How flows are printed.</summary>
public sealed record FlowTextSettings
{
    public FlowFormat Format { get; init; } = FlowFormat.Compact;

    /// <summary>Set it where a person looks at a terminal. Tables and JSON have none.</summary>
    public bool Colours { get; init; }

    public bool ShowNode { get; init; }

    /// <summary>Names of policies behind the verdicts that they made.</summary>
    public bool ShowPolicies { get; init; }

    /// <summary>Addresses instead of names.</summary>
    public bool Numeric { get; init; }

    /// <summary>Notices of nodes that connect and leave, too; those of failures are always shown.</summary>
    public bool ShowAllNodeStates { get; init; }
}
