namespace ClusterMesh.Datapath.Io;

/// <summary>Kinds of <see cref="OpenerRequest"/>.</summary>
internal enum OpenerWord
{
    /// <summary>A TAP is made and set up; its queues' files are the answer.</summary>
    Make,

    /// <summary>A further queue of an interface that is there; its file is the answer.</summary>
    Join,

    /// <summary>The interface of that name in the namespace; without a name only the namespace's number.</summary>
    Find,

    /// <summary>A route of the node's own stack is added, or takes the place of the one with its prefix.</summary>
    ReplaceRoute,

    /// <summary>The route of that prefix goes.</summary>
    DeleteRoute,
}
