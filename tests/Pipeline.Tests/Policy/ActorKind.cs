namespace ClusterMesh.Datapath.Pipeline.Tests.Policy;

/// <summary>What somebody is.</summary>
internal enum ActorKind
{
    Pod,
    Node,
    Outside,
}
