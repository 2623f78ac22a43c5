namespace ClusterMesh.Datapath.Mesh.Services;

/// <summary>How far a backend may be used.</summary>
public enum BackendState
{
    Active,

    /// <summary>Ends and still serves: used for new flows only while nobody is active.</summary>
    Terminating,

    /// <summary>Ends and serves no more, or is not ready: never used for new flows.</summary>
    NotServing,
}
