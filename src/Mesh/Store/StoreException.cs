namespace ClusterMesh.Datapath.Mesh.Store;

/// <summary>A store could not do what it was asked; the message is one sentence for people.</summary>
public sealed class StoreException : Exception
{
    public StoreException(StoreFault fault, string message, Exception? inner = null)
        : base(message, inner) => Fault = fault;

    public StoreFault Fault { get; }
}
