namespace ClusterMesh.Datapath.Observe.AgentApi;

/// <summary>How one part of the agent is.</summary>
/// <param name="State">Ok, Warning, Failure or Disabled.</param>
/// <param name="Message">One line; may be empty.</param>
public sealed record ComponentStatus(string State, string Message = "");
