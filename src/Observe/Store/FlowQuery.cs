namespace ClusterMesh.Datapath.Observe.Store;

/// <summary>Which events of a store a reader wants, in which order of time, and when it has enough.</summary>
public sealed record FlowQuery
{
    /// <summary>The last so many that match, or with <see cref="First"/> the first; 0 is no limit.</summary>
    public ulong Number { get; init; }

    public bool First { get; init; }

    /// <summary>Goes on with what comes. <see cref="Number"/> then says how many old ones come before; with 0 and without <see cref="Since"/>, none.</summary>
    public bool Follow { get; init; }

    /// <summary>Nanoseconds since 1970-01-01 UTC.</summary>
    public long? Since { get; init; }

    /// <summary>Nanoseconds since 1970-01-01 UTC. Who follows comes to an end at the first event after it.</summary>
    public long? Until { get; init; }

    public Func<ObservedFlow, bool> Matches { get; init; } = _ => true;
}
