namespace ClusterMesh.Datapath.Pipeline;

/// <summary>The policies of a node's endpoints, and of its own stack where that has one. Immutable.</summary>
/// <param name="byPort">By port id; null for what is open both ways.</param>
public sealed class PolicyTable(EndpointPolicy?[] byPort)
{
    /// <summary>Everything is open.</summary>
    public static PolicyTable Empty { get; } = new([]);

    /// <summary>No endpoint has a policy.</summary>
    public bool IsEmpty => byPort.Length == 0;

    /// <summary>Of the endpoint behind a port; null when it is open.</summary>
    public EndpointPolicy? Of(int port) => (uint)port < (uint)byPort.Length ? byPort[port] : null;
}
