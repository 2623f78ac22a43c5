namespace ClusterMesh.Datapath.Mesh.Services;

/// <summary>How far a backend may be used.</summary>
public enum BackendState
{
    Active,

    /// <summary>Ends and still serves: used for new flows only while nobody is active.</summary>
    Terminating,

    /// <summary>Ends and serves no more: keeps its flows at most.</summary>
    TerminatingNotServing,

    /// <summary>Not ready: no flow may go to it.</summary>
    Maintenance,
}
