namespace ClusterMesh.Datapath.State.Desired;

/// <summary>The labels that an identity stands for, with their source: k8s:app=webpod. Sorted.</summary>
public sealed record IdentitySpec(uint Id, IReadOnlyList<string> Labels, string Source);
