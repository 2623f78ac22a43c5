namespace ClusterMesh.Datapath.Observe.AgentApi;

/// <summary>
/// All that the agent's REST API shows, at one moment. The agent makes one when it is asked. Lists that are empty are printed as such;
/// their order is kept.
/// </summary>
public sealed record AgentState
{
    public required AgentStatus Status { get; init; }

    public IReadOnlyList<AgentService> Services { get; init; } = [];

    public IReadOnlyList<AgentNode> Nodes { get; init; } = [];

    public IReadOnlyList<AgentEndpoint> Endpoints { get; init; } = [];

    public IReadOnlyList<AgentIdentity> Identities { get; init; } = [];

    public IReadOnlyList<AgentAddress> Addresses { get; init; } = [];
}
