using ClusterMesh.Datapath.Control.Documents;

namespace ClusterMesh.Datapath.Control.Messages;

/// <summary>Parameters of <c>apply</c>.</summary>
public sealed record ApplyRequest(ApplyMode Mode, ChangeDocument Config);
