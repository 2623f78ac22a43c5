namespace ClusterMesh.Datapath.Control.Server;

/// <summary>A method with its parameters already read: running it needs nothing of the connection's buffer.</summary>
internal delegate ValueTask<Answer> BoundCall(ControlConnection connection, CancellationToken cancellation);
