namespace ClusterMesh.Datapath.Pipeline;

/// <summary>What a backend takes.</summary>
public enum BackendState : byte
{
    /// <summary>New flows.</summary>
    Active,

    /// <summary>It is about to go: its flows stay, new ones come only while no backend is active.</summary>
    Terminating,
}
