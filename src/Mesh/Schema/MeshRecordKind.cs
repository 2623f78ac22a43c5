namespace ClusterMesh.Datapath.Mesh.Schema;

/// <summary>What clusters tell each other about, each kind below a prefix of its own.</summary>
public enum MeshRecordKind
{
    Node,
    Service,
    Ip,
    Identity,

    /// <summary>MCS-API; mirrored as it is, not used here.</summary>
    ServiceExport,
}
