namespace ClusterMesh.Datapath.State.Desired;

/// <summary>Kinds of configured objects that can be deleted by name.</summary>
public enum ObjectKind
{
    Endpoint,
    Node,
    Route,
    Service,
    Ipcache,
    Identity,
    Policy,
}
