namespace ClusterMesh.Datapath.Wire;

/// <summary>Which of a tuple's entries a key names: the flow itself, or a client's choice of backend for a frontend.</summary>
public enum FlowScope : byte
{
    Flow = 0,
    Service = 4,
}
