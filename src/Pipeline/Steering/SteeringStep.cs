namespace ClusterMesh.Datapath.Pipeline;

/// <summary>How far a frame has come on its way to the worker that owns its flow. No frame takes more than one of each.</summary>
public enum SteeringStep : byte
{
    /// <summary>It came in by a port.</summary>
    Received,

    /// <summary>It is at the worker that knows the ports of its datagram's fragments.</summary>
    Fragment,

    /// <summary>It is at the first worker whose tables may know its flow.</summary>
    First,

    /// <summary>The first did not know it; it is at the next one.</summary>
    Second,

    /// <summary>Nor did that; it is at the last one.</summary>
    Third,

    /// <summary>It is where its flow lives, known or new.</summary>
    Settled,
}
