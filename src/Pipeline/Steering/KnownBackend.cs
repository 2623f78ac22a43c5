namespace ClusterMesh.Datapath.Pipeline;

/// <summary>What steering knows of an address and port.</summary>
public enum KnownBackend : byte
{
    /// <summary>It is no backend and never was.</summary>
    None,

    /// <summary>It is or was one.</summary>
    Plain,

    /// <summary>It is or was one of a service with session affinity, whose flows are at home with the client's address.</summary>
    WithSessions,
}
