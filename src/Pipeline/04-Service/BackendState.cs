namespace ClusterMesh.Datapath.Pipeline;

/// <summary>What a backend takes, in the order of slots. In every state but active it keeps the flows that it has, and a SYN goes elsewhere.</summary>
public enum BackendState : byte
{
    /// <summary>New flows.</summary>
    Active,

    /// <summary>It is about to go: new flows come only while no backend is active.</summary>
    Terminating,

    /// <summary>It is about to go and says that it serves no more: never a new flow.</summary>
    TerminatingNotServing,

    /// <summary>Its health check fails: never a new flow.</summary>
    Quarantined,

    /// <summary>Somebody has taken it out: never a new flow, and no slot.</summary>
    Maintenance,
}
